//go:build unix

package pusherserver

import (
	"math"
	"syscall"
)

// descriptorLimit is RLIMIT_NOFILE, which Go has raised as far as it may; 0 if there is none.
func descriptorLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}
