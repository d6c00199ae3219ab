//go:build ignore

// Program entc generates the ent package from the schemas below schema/.
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"

	"entgo.io/contrib/entgql"
	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
)

func main() {
	extension, err := entgql.NewExtension(
		entgql.WithRelaySpec(true),
		// All of entgql's but its transactions: outbox.WithTx is where they begin.
		entgql.WithTemplates(entgql.CollectionTemplate, entgql.EnumTemplate, entgql.NodeTemplate,
			entgql.PaginationTemplate, entgql.EdgeTemplate, entgql.WhereTemplate),
	)
	if err != nil {
		log.Fatalf("create the entgql extension: %v", err)
	}
	if err := entc.Generate("./schema", &gen.Config{
		Features: []gen.Feature{
			gen.FeaturePrivacy, gen.FeatureGlobalID, gen.FeatureVersionedMigration,
			gen.FeatureLock, gen.FeatureUpsert, gen.FeatureExecQuery, gen.FeatureModifier,
		},
		Hooks: []gen.Hook{mendPageInfo},
	}, entc.Extensions(extension)); err != nil {
		log.Fatalf("generate ent: %v", err)
	}
}

// mendPageInfo mends two faults of entgql's pagination. Whenever pageInfo is selected it counts the whole list, which
// only totalCount needs (ent/contrib pull request 625); and without edges beside it, it reads no page, so that
// pageInfo always says that there is no next one.
func mendPageInfo(next gen.Generator) gen.Generator {
	return gen.GenerateFunc(func(g *gen.Graph) error {
		if err := next.Generate(g); err != nil {
			return err
		}
		if err := replace("gql_pagination.go", ` || hasCollectedField(ctx, pageInfoField) {`, " {"); err != nil {
			return err
		}
		return replace("gql_pagination.go", `ignoredEdges := !hasCollectedField(ctx, edgesField)`,
			`ignoredEdges := !hasCollectedField(ctx, edgesField) && !hasCollectedField(ctx, pageInfoField)`)
	})
}

func replace(path, old, new string) error {
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Contains(source, []byte(old)) {
		return fmt.Errorf("%s: entgql's template has changed: %q is gone", path, old)
	}
	return os.WriteFile(path, bytes.ReplaceAll(source, []byte(old), []byte(new)), 0o644)
}
