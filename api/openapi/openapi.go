// Package openapi has the HTTP API as a document, as the service serves it.
package openapi

import _ "embed"

// MIME is the document's media type.
const MIME = "application/yaml"

//go:embed openapi.yaml
var document []byte

// Document is the text.
func Document() []byte { return document }
