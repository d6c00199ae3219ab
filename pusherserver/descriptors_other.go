//go:build !unix

package pusherserver

// descriptorLimit returns 0, because there is no such limit.
func descriptorLimit() int { return 0 }
