package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"

	"lorebridge/auth"
	"lorebridge/ent"
	"lorebridge/ent/knowledgerequest"
	"lorebridge/ent/user"
)

// ErrNotEmpty is returned if the database has any content. It is then left unchanged.
var ErrNotEmpty = errors.New("it is not empty: start without -demo, set DATABASE_URL to another file, such as sqlite:demo.db, or delete this one")

// People are the demo's accounts.
type People []auth.NewAccount

// String returns a line for each person: name, e-mail address and password, in columns.
func (p People) String() string {
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 3, ' ', 0)
	for _, person := range p {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", person.Name, person.Email, person.Password)
	}
	_ = w.Flush() // a Builder returns no errors
	return table.String()
}

// Fill fills the database and returns the people who can sign in now. If the database is not empty, it returns an
// error that wraps ErrNotEmpty. After any error nothing was written.
func Fill(ctx context.Context, client *ent.Client, withTx auth.WithTx) (People, error) {
	// Fill has Accounts of its own, so that its sign-ups do not count against the server's limits.
	accounts, err := auth.NewAccounts(
		auth.Config{SignInsPerAddress: 1, SignInsPerAccount: 1, SignUpsPerAddress: len(people)},
		auth.Deps{Client: client, Logger: slog.New(slog.DiscardHandler)}, // Accounts log only ends of sessions, and none ends here
	)
	if err != nil {
		return nil, err
	}
	begin := func(ctx context.Context, fn func(context.Context, *ent.Client) error) error {
		return withTx(ctx, func(ctx context.Context, tx *ent.Client) error {
			if err := checkEmpty(ctx, tx); err != nil {
				return err
			}
			return fn(ctx, tx)
		})
	}
	if err := signUp(ctx, accounts, begin, people, writeContent); err != nil {
		return nil, err
	}
	return people, nil
}

// checkEmpty returns ErrNotEmpty if the server has ever been used.
func checkEmpty(ctx context.Context, tx *ent.Client) error {
	for _, exist := range []func(context.Context) (bool, error){
		tx.User.Query().Exist, tx.Knowledge.Query().Exist, tx.KnowledgeRequest.Query().Exist, tx.Event.Query().Exist,
	} {
		if found, err := exist(auth.AsSystem(ctx)); err != nil {
			return fmt.Errorf("look whether the database is empty: %w", err)
		} else if found {
			return ErrNotEmpty
		}
	}
	return nil
}

// signUp signs people up in order and then runs rest, all in the one transaction that begin begins.
//
// A sign-up hashes its password and then calls its WithTx, which here signs up everybody before. So the calls nest:
// all passwords are hashed first, and the innermost call begins the only transaction.
func signUp(ctx context.Context, accounts *auth.Accounts, begin auth.WithTx, people People, rest func(context.Context, *ent.Client) error) error {
	if len(people) == 0 {
		return begin(ctx, rest)
	}
	last := len(people) - 1
	_, err := accounts.SignUp(ctx, func(ctx context.Context, write func(context.Context, *ent.Client) error) error {
		return signUp(ctx, accounts, begin, people[:last], func(ctx context.Context, tx *ent.Client) error {
			if err := write(ctx, tx); err != nil {
				return err
			}
			return rest(ctx, tx)
		})
	}, people[last])
	return err
}

// writeContent writes the items, the requests and the answers, each as its person.
func writeContent(ctx context.Context, tx *ent.Client) error {
	// Signing up has begun sessions whose tokens nobody has.
	if _, err := tx.Session.Delete().Exec(auth.AsSystem(ctx)); err != nil {
		return err
	}
	ids := make(map[string]int)
	for _, person := range people {
		id, err := tx.User.Query().Where(user.Email(person.Email)).OnlyID(auth.AsSystem(ctx))
		if err != nil {
			return err
		}
		ids[person.Email] = id
	}
	as := func(email string) context.Context { return auth.NewContext(ctx, auth.Viewer{UserID: ids[email]}) }
	items := make(map[string]int)
	for _, i := range known {
		item, err := tx.Knowledge.Create().SetOwnerID(ids[i.owner]).SetTitle(i.title).Save(as(i.owner))
		if err != nil {
			return fmt.Errorf("write %q: %w", i.title, err)
		}
		if err := tx.KnowledgeContent.Create().SetKnowledgeID(item.ID).SetText(i.text).Exec(as(i.owner)); err != nil {
			return fmt.Errorf("write %q: %w", i.title, err)
		}
		items[i.title] = item.ID
	}
	for _, q := range asked {
		create := tx.KnowledgeRequest.Create().SetRequesterID(ids[q.by]).SetQuestion(q.question)
		if q.item != "" {
			create.SetKnowledgeID(items[q.item])
		} else {
			create.SetOwnerID(ids[q.to])
		}
		request, err := create.Save(as(q.by))
		if err != nil {
			return fmt.Errorf("ask %q: %w", q.question, err)
		}
		if q.status == knowledgerequest.StatusPending {
			continue
		}
		if err := request.Update().SetStatus(q.status).SetResponseContent(q.answer).Exec(as(q.to)); err != nil {
			return fmt.Errorf("answer %q: %w", q.question, err)
		}
	}
	return nil
}
