package db

// Strings is a map that is stored as JSON text.
type Strings map[string]string

// RawJSON is JSON text that this package does not look into; "" is stored as {}.
type RawJSON []byte
