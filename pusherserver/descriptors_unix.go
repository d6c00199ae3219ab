//go:build unix

package pusherserver

import (
	"math"
	"syscall"
)

// descriptorLimit returns RLIMIT_NOFILE, or 0 if there is no limit. Go has raised it to the hard limit at the start.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
