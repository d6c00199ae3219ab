package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of /proc/<pid>/stat: USER_HZ is 100 on every architecture that Go runs on.
const tick = 10 * time.Millisecond

// ownPID is this process in /proc.
var ownPID = os.Getpid()

// cpuTime is the CPU time of a process, in user and kernel mode, of all its threads. It is unknown without /proc, and
// for an unknown process.
type cpuTime struct {
	time.Duration
	known bool
}

func (c cpuTime) since(before cpuTime) cpuTime {
	return cpuTime{Duration: c.Duration - before.Duration, known: c.known && before.known}
}

// readCPU returns the CPU time of a process so far. The id 0 means an unknown process.
func readCPU(pid int) cpuTime {
	if pid == 0 {
		return cpuTime{}
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) //nolint:gosec // the path has nothing but a number
	if err != nil {
		return cpuTime{}
	}
	used, err := parseStat(stat)
	return cpuTime{Duration: used, known: err == nil}
}

// readAllCPU returns the CPU time of all programs of this machine so far.
func readAllCPU() cpuTime {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return cpuTime{}
	}
	used, err := parseAllStat(stat)
	return cpuTime{Duration: used, known: err == nil}
}

// parseAllStat adds up the first line of proc_stat(5) without idle and iowait, and without the times of guests,
// because user contains them.
func parseAllStat(stat []byte) (time.Duration, error) {
	const idle, iowait, steal = 4, 5, 8
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	fields := bytes.Fields(line)
	if len(fields) <= steal || string(fields[0]) != "cpu" {
		return 0, errors.New("the line is too short for that of all CPUs in /proc")
	}
	var sum uint64
	for i, field := range fields[1 : steal+1] {
		ticks, err := strconv.ParseUint(string(field), 10, 40)
		if err != nil {
			return 0, fmt.Errorf("read the times of all CPUs in /proc: %w", err)
		}
		if column := i + 1; column != idle && column != iowait {
			sum += ticks
		}
	}
	return time.Duration(sum) * tick, nil // a few numbers of 40 bits
}

// parseStat returns utime + stime, fields 14 and 15 of proc_pid_stat(5). The second field, the command's name, may
// hold blanks and parentheses.
func parseStat(stat []byte) (time.Duration, error) {
	const state, utime, stime = 3, 14, 15
	end := bytes.LastIndexByte(stat, ')')
	fields := bytes.Fields(stat[end+1:])
	if end < 0 || len(fields) <= stime-state {
		return 0, errors.New("the line is too short for a stat of /proc")
	}
	user, userErr := strconv.ParseUint(string(fields[utime-state]), 10, 40)
	system, systemErr := strconv.ParseUint(string(fields[stime-state]), 10, 40)
	if err := errors.Join(userErr, systemErr); err != nil {
		return 0, fmt.Errorf("read the times of a stat of /proc: %w", err)
	}
	return time.Duration(user+system) * tick, nil // two numbers of 40 bits
}
