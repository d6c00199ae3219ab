package database

import (
	"errors"
	"fmt"
	"strings"
)

// Config selects the database to open.
type Config struct {
	URL string `env:"DATABASE_URL" envDefault:"sqlite:lorebridge.db" help:"the database: sqlite:PATH"`
}

// Validate returns an error that names DATABASE_URL and its allowed values.
func (c Config) Validate() error {
	scheme, rest, _ := strings.Cut(c.URL, ":")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		return errors.New("DATABASE_URL is a postgres: URL, which is not supported yet: use sqlite:PATH, such as sqlite:lorebridge.db")
	case scheme != "sqlite" || rest == "": // the error does not quote it, because it may hold a password of another database
		return errors.New("DATABASE_URL does not begin with sqlite: and a path: it must be sqlite:PATH, such as sqlite:lorebridge.db")
	case strings.HasPrefix(rest, "//") && !strings.HasPrefix(rest, "///"), strings.HasPrefix(rest, "file:"):
		return fmt.Errorf("DATABASE_URL is %q: PATH follows sqlite: at once, such as sqlite:lorebridge.db or sqlite:/var/lib/lorebridge.db", c.URL)
	case strings.Contains(rest, ":memory:") || strings.ContainsAny(rest, "?#\x00"):
		return fmt.Errorf("DATABASE_URL is %q: PATH must be the path of a file, not :memory:, and without ? and #", c.URL)
	}
	return nil
}

// Path returns the path of the database's file.
func (c Config) Path() string {
	_, path, _ := strings.Cut(c.URL, ":")
	return path
}
