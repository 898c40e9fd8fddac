package main

import (
	"github.com/urfave/cli/v2"

	"github.com/bootc-go/bootc/deploy"
	"github.com/bootc-go/bootc/host"
	"github.com/bootc-go/bootc/internal/schema"
)

// document is a kind of JSON that programs read from us.
type document struct {
	name   string // for --of
	file   string // below docs/reference
	schema func() *schema.Schema
}

func documents() []document {
	return []document{
		{"host", "host-v1.schema.json", host.Schema},
		{"progress", "progress-v0.schema.json", progressSchema},
		{"forecast", "forecast.schema.json", forecastSchema},
	}
}

func progressSchema() *schema.Schema {
	return schema.Of(schema.Options{Title: "Event", Description: "A line of what --progress-fd makes."}, wireStart{}, wireBytes{}, wireSteps{})
}

func forecastSchema() *schema.Schema {
	return schema.Of(schema.Options{
		Title: "Forecast", Description: "What 'bootc upgrade --check --json' and 'bootc diff --json' print.", NullsRequired: true,
	}, deploy.Forecast{}, diffDocument{})
}

// printSchemaCommand prints what docs/reference has in its schema files.
func (e *env) printSchemaCommand() *cli.Command {
	var names []string
	for _, d := range documents() {
		names = append(names, d.name)
	}
	of := newChoice("of", "of what, the `DOCUMENT`:", "", names...)
	of.Required = true
	return &cli.Command{
		Name: "print-json-schema", Usage: "print the JSON Schema of a document", Flags: []cli.Flag{of},
		Description: "host is the document of 'bootc status --json', progress each line that --progress-fd makes, " +
			"forecast what 'bootc upgrade --check --json' and 'bootc diff --json' print.",
		Action: func(c *cli.Context) error {
			if _, err := operands(c); err != nil {
				return err
			}
			for _, d := range documents() {
				if d.name != c.String("of") {
					continue
				}
				text, err := d.schema().Text()
				if err != nil {
					return err
				}
				_, err = e.stdout.Write(text)
				return err
			}
			return nil
		},
	}
}
