// Package oslo reads configuration as oslo.config does, into typed structs.
//
// An operator's files keep their meaning: sections and assignments with "=" or
// ":", continuation lines, comments only at the start of a line, one pair of
// quotes around a value, the last of repeated assignments (or all of them, for
// a multi-valued option), $substitution, and OS_GROUP__OPTION in the
// environment. Precedence, lowest first: default, files in the order named,
// environment.
//
// A package declares its options as a struct, one field per option:
//
//	type Config struct {
//		Host    string        `opt:"host" default:"127.0.0.1" help:"Address to listen on."`
//		Port    int           `opt:"port" default:"9511" min:"1" max:"65535" help:"..."`
//		Workers *int          `opt:"workers" help:"Unset: one for each CPU."`
//		Timeout time.Duration `opt:"timeout" default:"60" unit:"s" help:"..."`
//	}
//
// The tags of a field:
//
//	opt         name of the option; a field without it is not an option
//	help        text for the sample file
//	default     in the form a file would have it, $substitution included
//	sample      shown in the sample file in place of a default that differs
//	            between machines
//	min, max    bounds of a number, in its own unit
//	choices     comma-separated list of the values allowed
//	unit        of a time.Duration: ms, s (the default), m or h
//	deprecated  comma-separated older names, "group.name" or "name"
//	multi       "true" for a []string with one element for each assignment;
//	            otherwise a []string is one comma-separated list
//	quotes      "true" for a list whose items may be quoted to hold commas
//	secret      "true" keeps the value out of every message
//	required    "true" refuses a missing or empty value
//
// Fields are string, bool, int, int64, float64, time.Duration or a pointer to
// one of these (nil: not set), or []string. Embedded structs are part of the
// struct around them. A field without a default keeps what the caller put
// there.
//
// Some things differ from oslo.config on purpose. Substitution can refer to an
// option that is in the files but not declared, and to $DEFAULT.name; it writes
// a list with commas, as the files have it, and not in Python's notation; and a
// reference that leads to an unknown one is an error in every case. An
// environment variable gives a multi-valued option one value, and not one for
// each character. A time may have decimals. A number that is not optional
// cannot be empty.
package oslo
