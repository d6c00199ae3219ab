package graph

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"lorebridge/auth"
	"lorebridge/bridge"
	"lorebridge/ent"
	"lorebridge/rule"
)

// The codes in extensions.code that are ours to give; gqlgen gives GRAPHQL_PARSE_FAILED and
// PERSISTED_QUERY_NOT_FOUND. Product contract.
const (
	codeUnauthenticated      = "UNAUTHENTICATED"
	codeForbidden            = "FORBIDDEN"
	codeNotFound             = "NOT_FOUND"
	codeBadUserInput         = "BAD_USER_INPUT"
	codeOwnKnowledge         = "OWN_KNOWLEDGE"
	codeAlreadyShared        = "ALREADY_SHARED"
	codeAlreadyAnswered      = "ALREADY_ANSWERED"
	codeRateLimited          = "RATE_LIMITED"
	codeValidationFailed     = "GRAPHQL_VALIDATION_FAILED"
	codeComplexity           = "COMPLEXITY_LIMIT_EXCEEDED"
	codeTimeout              = "TIMEOUT"
	codeSubscriptionGap      = "SUBSCRIPTION_GAP"
	codePayloadTooLarge      = "PAYLOAD_TOO_LARGE"
	codeMethodNotAllowed     = "METHOD_NOT_ALLOWED"
	codeUnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE"
	codeNotAcceptable        = "NOT_ACCEPTABLE"
	codeUnavailable          = "UNAVAILABLE"
	codeInternal             = "INTERNAL"
)

// codes is the only table from our errors to extensions.code. The texts of these errors are for clients.
var codes = []struct {
	err  error
	code string
}{
	{auth.ErrUnauthenticated, codeUnauthenticated},
	{rule.ErrForbidden, codeForbidden},
	{bridge.ErrForbidden, codeForbidden},
	{errAdministrators, codeForbidden},
	{rule.ErrNotFound, codeNotFound},
	{bridge.ErrNotFound, codeNotFound},
	{rule.ErrOwnKnowledge, codeOwnKnowledge},
	{rule.ErrAlreadyShared, codeAlreadyShared},
	{rule.ErrAlreadyAnswered, codeAlreadyAnswered},
	{bridge.ErrGap, codeSubscriptionGap},
}

// presenter returns the function that turns each error of an operation into the error that the client sees.
func presenter(log *slog.Logger) graphql.ErrorPresenterFunc {
	return func(ctx context.Context, err error) *gqlerror.Error {
		var found *gqlerror.Error
		if !errors.As(err, &found) {
			found = gqlerror.WrapPath(graphql.GetPath(ctx), err)
		}
		if found.Extensions["code"] != nil { // gqlgen's own: parsing, validation, limits
			return found
		}
		shown := &gqlerror.Error{Path: found.Path, Locations: found.Locations}
		shown.Message, shown.Extensions = classify(ctx, found)
		if code := shown.Extensions["code"]; (code == codeInternal || code == codeUnavailable) && !errors.Is(err, errPanic) {
			level := slog.LevelError
			if code == codeUnavailable {
				level = slog.LevelWarn
			}
			if errors.Is(err, context.Canceled) { // the client is gone: there is nothing to mend
				level = slog.LevelDebug
			}
			log.Log(ctx, level, "an operation failed", slog.String("path", found.Path.String()), slog.Any("error", err))
		}
		return shown
	}
}

// classify returns the message and the extensions of an error for the client.
func classify(ctx context.Context, found *gqlerror.Error) (message string, extensions map[string]any) {
	err := found.Unwrap()
	var input *rule.InputError
	var wrong *bridge.InputError
	var limited *auth.RateLimitError
	var taken *bridge.LimitError
	var unavailable *rule.UnavailableError
	switch {
	case errors.As(err, &unavailable):
		return unavailable.Message(), map[string]any{"code": codeUnavailable, "retryAfter": unavailable.Seconds()}
	case sessionEnded(ctx): // it has precedence over the errors that it caused
		return auth.ErrSessionEnded.Error(), map[string]any{"code": codeUnauthenticated}
	case errors.As(err, &input):
		return input.Error(), map[string]any{"code": codeBadUserInput, "field": input.Field}
	case errors.As(err, &wrong):
		return wrong.Error(), map[string]any{"code": codeBadUserInput, "field": wrong.Input}
	case errors.As(err, &taken):
		return taken.Error(), map[string]any{"code": codeRateLimited, "retryAfter": taken.Seconds()}
	case errors.As(err, &limited):
		return limited.Error(), map[string]any{"code": codeRateLimited, "retryAfter": limited.Seconds()}
	case errors.Is(err, context.DeadlineExceeded):
		return "the operation took too long and was stopped: ask for less at once", map[string]any{"code": codeTimeout}
	}
	for _, entry := range codes {
		if errors.Is(err, entry.err) {
			message := entry.err.Error()
			if entry.code == codeUnauthenticated { // its text has the reason
				message = err.Error()
			}
			return message, map[string]any{"code": entry.code}
		}
	}
	if ent.IsNotFound(err) {
		return rule.ErrNotFound.Error(), map[string]any{"code": codeNotFound}
	}
	if err == nil { // an error of gqlgen about the document
		return found.Message, map[string]any{"code": codeValidationFailed}
	}
	return "internal error", map[string]any{"code": codeInternal}
}

// errPanic is the error of a panic that recoverer has logged.
var errPanic = errors.New("panic")

// recoverer returns the function that logs the panic of a resolver.
func recoverer(log *slog.Logger) graphql.RecoverFunc {
	return func(ctx context.Context, reason any) error {
		log.ErrorContext(ctx, "a resolver panicked", slog.Any("reason", reason), slog.String("stack", string(debug.Stack())))
		return errPanic
	}
}

// badInput returns a BAD_USER_INPUT about a request of which nothing has run.
func badInput(field, message string) *gqlerror.Error {
	err := failure(codeBadUserInput, message)
	err.Extensions["field"] = field
	return err
}

// failure returns an error about a request of which nothing has run.
func failure(code, message string) *gqlerror.Error {
	return &gqlerror.Error{Message: message, Extensions: map[string]any{"code": code}}
}
