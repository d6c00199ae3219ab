// Command lorebridge is the server, and the commands of whoever runs it.
package main

import (
	"os"

	"lorebridge/app"
)

func main() { os.Exit(app.Main(os.Args[1:], os.Stdout, os.Stderr)) }
