//go:build ignore

// Program entc generates the ent package from the schemas below schema/.
package main

import (
	"log"

	"entgo.io/contrib/entgql"
	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
)

func main() {
	collection := gen.MustParse(gen.NewTemplate("collection").Funcs(entgql.TemplateFuncs).ParseFiles("template/collection.tmpl"))
	extension, err := entgql.NewExtension(
		entgql.WithRelaySpec(true),
		// Of entgql's neither its transactions, which outbox.WithTx begins, nor its pages, which are graph's, nor its
		// collection of fields, which looks at one alias of each.
		entgql.WithTemplates(collection, entgql.EnumTemplate, entgql.NodeTemplate, entgql.EdgeTemplate, entgql.WhereTemplate),
	)
	if err != nil {
		log.Fatalf("create the entgql extension: %v", err)
	}
	if err := entc.Generate("./schema", &gen.Config{
		Features: []gen.Feature{
			gen.FeaturePrivacy, gen.FeatureGlobalID, gen.FeatureVersionedMigration,
			gen.FeatureLock, gen.FeatureUpsert, gen.FeatureExecQuery, gen.FeatureModifier,
		},
	}, entc.Extensions(extension), entc.TemplateFiles("template/transaction.tmpl")); err != nil {
		log.Fatalf("generate ent: %v", err)
	}
}
