package web

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
)

// Settings are what an operator sets in the environment.
type Settings struct {
	Playground string `env:"PLAYGROUND" help:"on or off: the page /playground and introspection of the API; if empty, on only on loopback without PUBLIC_URL and TRUSTED_PROXIES"`
}

// Validate returns an error that names PLAYGROUND and its allowed values.
func (s Settings) Validate() error {
	if s.Playground != "" && s.Playground != "on" && s.Playground != "off" {
		return fmt.Errorf("PLAYGROUND is %q: it must be on or off", s.Playground)
	}
	return nil
}

// HasPlayground reports whether the server offers the playground and introspection. local means that only its own
// machine can reach the server, which is the default for offering them.
func (s Settings) HasPlayground(local bool) bool {
	if s.Playground == "" {
		return local
	}
	return s.Playground == "on"
}

// Config defines what a Handler serves.
type Config struct {
	// Build is a build of the app, which must not change. If it is nil, the build in this binary is used.
	Build fs.FS
	// Playground serves the playground at /playground.
	Playground bool
	// ConnectTo are other origins that pages may connect to, in the form of a Content-Security-Policy.
	ConnectTo []string
}

//go:embed all:dist
var dist embed.FS

// source matches a source that cannot end a policy: scheme://host[:port], or a scheme alone.
var source = regexp.MustCompile(`^(https?|wss?):(//[A-Za-z0-9.-]+(:\d+)?)?$`)

// withDefaults returns c with its defaults, or an error if c is not valid.
func (c Config) withDefaults() (Config, error) {
	for _, s := range c.ConnectTo {
		if !source.MatchString(s) {
			return Config{}, fmt.Errorf("web: ConnectTo has %q: it must be scheme://host[:port] or a scheme, such as wss://ws.example.com", s)
		}
	}
	if c.Build == nil {
		build, err := fs.Sub(dist, "dist")
		if err != nil {
			return Config{}, err
		}
		c.Build = build
	}
	pages := []string{appPage}
	if c.Playground {
		pages = append(pages, playgroundPage)
	}
	for _, page := range pages {
		if _, err := fs.Stat(c.Build, page); errors.Is(err, fs.ErrNotExist) {
			return Config{}, fmt.Errorf("web: the build has no %s: run `npm run build` in web/, and build the server again", page)
		} else if err != nil {
			return Config{}, err
		}
	}
	return c, nil
}
