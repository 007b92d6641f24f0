package oslo

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const sampleFile = "testdata/sample.golden.conf"

type sampled struct {
	Host    string        `opt:"host" sample:"node1.example" help:"How this process is known to the others. It is long enough to need a second line.\nAnd a line of its own."`
	Port    int           `opt:"port" default:"9511" min:"1" max:"65535" help:"Where to listen."`
	Ratio   float64       `opt:"ratio" default:"0.5" min:"0" help:"A share."`
	Debug   bool          `opt:"debug" default:"false" help:"More in the log."`
	Words   []string      `opt:"words" default:"a,b" help:"Some words."`
	Servers []string      `opt:"servers" multi:"true" help:"One server each."`
	Wait    time.Duration `opt:"wait" default:"60" help:"How long to wait."`
	Expiry  time.Duration `opt:"expiry" default:"5" unit:"m" help:"How long to keep."`
	Driver  string        `opt:"driver" default:"x" choices:"x,y" deprecated:"kind,old.driver" help:"Which one."`
	Empty   string        `opt:"empty" default:"" help:"Nothing by default."`
	Spaced  string        `opt:"spaced" default:" a " help:"A default that needs quotes."`
	Path    string        `opt:"path" default:"/srv/$driver" help:"A default that refers."`
}

type sampledSecret struct {
	Password string `opt:"password" secret:"true" required:"true" help:"Of the service user."`
}

func sampleGroups(a *sampled, b *sampledSecret) []Group {
	return []Group{
		{Name: "DEFAULT", Target: a},
		{Name: "auth", Target: b, Help: "How the service\nproves who it is."},
	}
}

func TestWriteSample(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSample(&b, sampleGroups(&sampled{Host: "secret-host"}, &sampledSecret{Password: "s3cret"})); err != nil {
		t.Fatal(err)
	}
	if *update {
		write(t, sampleFile, b.String())
	}
	want, err := os.ReadFile(sampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Error(diff)
	}
	for line := range strings.Lines(b.String()) {
		if len(line) > sampleWidth+1 {
			t.Errorf("long line: %s", line)
		}
	}
}

// TestSampleIsTrue takes the comment marks off the defaults: nothing may change.
func TestSampleIsTrue(t *testing.T) {
	var b bytes.Buffer
	if err := WriteSample(&b, sampleGroups(&sampled{}, &sampledSecret{})); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)^#(\w+ =.*)$`).ReplaceAllString(b.String(), "$1")
	text = regexp.MustCompile(`(?m)^(\w+ = (<None>|node1.example))$`).ReplaceAllString(text, "#$1")
	name := t.TempDir() + "/sample.conf"
	write(t, name, text)

	var fromFile, fromDefaults sampled
	s := Sources{Environ: []string{"OS_AUTH__PASSWORD=p"}}
	if _, err := Load(s, sampleGroups(&fromDefaults, &sampledSecret{}), nil); err != nil {
		t.Fatal(err)
	}
	s.AddFile(name)
	warnings, err := Load(s, sampleGroups(&fromFile, &sampledSecret{}), nil)
	if err != nil || warnings != nil {
		t.Fatal(warnings, err)
	}
	if diff := cmp.Diff(fromDefaults, fromFile); diff != "" {
		t.Error(diff)
	}
	if fromFile.Spaced != " a " || fromFile.Path != "/srv/x" {
		t.Errorf("spaced %q, path %q", fromFile.Spaced, fromFile.Path)
	}
}

func TestWriteSampleNeedsHelp(t *testing.T) {
	err := WriteSample(&bytes.Buffer{}, []Group{{Name: "g", Target: &struct {
		A string `opt:"a"`
	}{}}})
	if err == nil || !strings.Contains(err.Error(), "g.a: no help text") {
		t.Errorf("error %v", err)
	}
}
