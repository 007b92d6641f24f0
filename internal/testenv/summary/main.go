// Command summary reads what `go test -json` prints and shows what a reader wants of it: one line per package, the
// output of what failed, each skipped test with its reason, and the totals. It exits 1 unless everything passed.
package main

import (
	"fmt"
	"os"
)

func main() {
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
		os.Exit(1)
	}
	if !r.close() {
		os.Exit(1)
	}
}
