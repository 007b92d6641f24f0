package policy

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteSample writes policy.yaml with every rule at its default, commented out.
func WriteSample(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("# Who may do what. A rule that stands here replaces its default; remove the # in front of it.\n" +
		"# A change takes effect within a second, without a restart.\n")
	for _, r := range Rules() {
		fmt.Fprintf(&b, "\n# %s.\n", r.Help)
		for _, o := range r.Operations {
			fmt.Fprintf(&b, "# %s\n", o)
		}
		if len(r.Scope) > 0 {
			fmt.Fprintf(&b, "# Scope of the token: %s\n", strings.Join(r.Scope, ", "))
		}
		if r.Deprecated != "" {
			fmt.Fprintf(&b, "# While enforce_new_defaults is false, also: %s\n", r.Deprecated)
		}
		fmt.Fprintf(&b, "#%q: %q\n", r.Name, r.Check)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing the sample policy: %w", err)
	}
	return nil
}
