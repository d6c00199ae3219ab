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
		// These leave out three parts of entgql. outbox.Log.WithTx begins our transactions, and graph has our pages.
		// entgql's collection of fields reads only one alias of each field.
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
