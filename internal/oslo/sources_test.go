package oslo

import (
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSources(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	for _, dir := range []string{"d", "empty"} {
		if err := os.Mkdir(in(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"default", "a", "b", "d/1.conf", "d/2.conf"} {
		write(t, in(name), "[g]\nlast = "+name+"\n"+strings.ReplaceAll(name, "/", "_")+" = read\n")
	}
	tests := []struct {
		name string
		def  string
		args []string
		want string // the value of "last"
		err  string
	}{
		{name: "nothing", want: ""},
		{name: "default", def: in("default"), want: "default"},
		{name: "no default", def: in("missing"), want: ""},
		{name: "default beneath a folder", def: in("default"), args: []string{"--config-dir", in("d")}, want: "d/2.conf"},
		{name: "default with an empty folder", def: in("default"), args: []string{"--config-dir", in("empty")}, want: "default"},
		{name: "no default beside a file", def: in("default"), args: []string{"--config-file", in("a")}, want: "a"},
		{name: "last file", args: []string{"--config-file", in("b"), "--config-file=" + in("a")}, want: "a"},
		{name: "folder last", args: []string{"--config-file", in("a"), "--config-dir", in("d")}, want: "d/2.conf"},
		{name: "file last", args: []string{"--config-dir", in("d"), "--config-file", in("a")}, want: "a"},
		{name: "missing file", args: []string{"--config-file", in("missing")}, err: "missing: no such file"},
		{name: "missing folder", args: []string{"--config-dir", in("missing")}, err: "missing: no such file"},
		{name: "folder as file", args: []string{"--config-file", in("d")}, err: "is a directory"},
		{name: "file as folder", args: []string{"--config-dir", in("a")}, err: "not a directory"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s := Sources{Default: tc.def}
			flags := flag.NewFlagSet("test", flag.ContinueOnError)
			flags.SetOutput(io.Discard)
			s.RegisterFlags(flags)
			if err := flags.Parse(tc.args); err != nil {
				t.Fatal(err)
			}
			var got struct {
				Last string `opt:"last"`
			}
			_, err := Load(s, []Group{{Name: "g", Target: &got}}, nil)
			switch {
			case tc.err == "" && err != nil:
				t.Fatal(err)
			case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)):
				t.Fatalf("error %v, want %q", err, tc.err)
			}
			if got.Last != tc.want {
				t.Errorf("last = %q, want %q", got.Last, tc.want)
			}
		})
	}
}
