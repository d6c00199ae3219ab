//go:build !unix

package pusherserver

// descriptorLimit is 0: there is no such limit.
func descriptorLimit() int { return 0 }
