package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	tests := []struct {
		name, input, expect string
		good                bool
	}{
		{
			name: "passed and skipped", good: true,
			input: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"p","Test":"TestB","Output":"=== RUN   TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: NOT TESTED: no server\n"}
{"Action":"skip","Package":"p","Test":"TestB","Elapsed":0}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"pass","Package":"p","Elapsed":1.25}
{"Action":"start","Package":"empty"}
{"Action":"skip","Package":"empty","Elapsed":0}
`,
			expect: `ok   p 1.2 s, 1 passed, 0 failed, 1 skipped
SKIP p TestB: NOT TESTED: no server
1 passed, 0 failed, 1 skipped in 2 packages, which took 1 s together
`,
		},
		{
			name: "failed",
			input: `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:3: broken\n"}
{"Action":"fail","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"p","Test":"TestB","Elapsed":0.1}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p","Elapsed":0.2}
`,
			expect: `FAIL p TestA
    a_test.go:3: broken
FAIL p 0.2 s, 1 passed, 1 failed, 0 skipped
FAIL p TestA
     a_test.go:3: broken
1 passed, 1 failed, 0 skipped in 1 packages, which took 0 s together
`,
		},
		{
			name: "failed outside of a test",
			input: `{"Action":"start","Package":"p"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"output","Package":"p","Output":"panic: out of memory\n"}
{"Action":"fail","Package":"p","Elapsed":0.2}
`,
			expect: `FAIL p
panic: out of memory
FAIL p
1 passed, 1 failed, 0 skipped in 1 packages, which took 0 s together
`,
		},
		{
			name: "not built",
			input: `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: syntax error\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p"}
`,
			expect: `FAIL p
p.go:1: syntax error
FAIL p
0 passed, 1 failed, 0 skipped in 1 packages, which took 0 s together
`,
		},
		{
			name: "ended early, with a message of the go command",
			input: `{"Action":"start","Package":"p"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
go: no space left
`,
			expect: `go: no space left
FAIL p
FAIL p
1 passed, 1 failed, 0 skipped in 0 packages, which took 0 s together
`,
		},
		{
			name:   "nothing",
			expect: "0 passed, 0 failed, 0 skipped in 0 packages, which took 0 s together\n",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(test.input)); err != nil {
				t.Fatal(err)
			}
			if good := r.close(); good != test.good {
				t.Errorf("good: %v", good)
			}
			if diff := cmp.Diff(test.expect, out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
