package oslo

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type shared struct {
	Region string `opt:"region_name" help:"Region."`
}

type service struct {
	shared
	Host     string         `opt:"host" help:"Address."`
	Limit    int            `opt:"max_limit" default:"1000" min:"1" help:"Most items of a page."`
	Big      int64          `opt:"big" default:"5000000000" help:"A large number."`
	Ratio    float64        `opt:"ratio" default:"1.5" help:"A ratio."`
	Debug    bool           `opt:"debug" default:"no" help:"More of it."`
	Names    []string       `opt:"names" default:"a,b" help:"Names."`
	URLs     []string       `opt:"urls" multi:"true" help:"Addresses."`
	Timeout  time.Duration  `opt:"timeout" default:"60" help:"Patience."`
	Grace    time.Duration  `opt:"grace" default:"1.5" unit:"m" help:"More patience."`
	Retry    *time.Duration `opt:"retry" unit:"ms" help:"Pause."`
	Workers  *int           `opt:"workers" min:"1" help:"Workers."`
	Verify   *bool          `opt:"verify" help:"Whether to check."`
	Password string         `opt:"password" secret:"true" min:"1" help:"Of the service."`
	Driver   string         `opt:"driver" default:"x" choices:"x,y" help:"Which."`
	Path     string         `opt:"path" default:"/srv" deprecated:"folder,old.path" help:"Where."`

	NoOption string
}

// load writes one file and loads it into target as the group "api".
func load(t *testing.T, target any, content string, environ ...string) ([]string, string, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.conf")
	write(t, name, content)
	s := Sources{Environ: environ}
	s.AddFile(name)
	warnings, err := Load(s, []Group{{Name: "api", Target: target}}, map[string]string{
		"api.enabled_ssl": "a proxy does TLS",
		"profiler.*":      "there is no profiler",
		"docker.ca_file":  "no Docker API is used",
	})
	for i := range warnings {
		warnings[i] = strings.ReplaceAll(warnings[i], name, "x.conf")
	}
	if err == nil {
		return warnings, "", nil
	}
	return warnings, strings.ReplaceAll(err.Error(), name, "x.conf"), err
}

func TestLoadFills(t *testing.T) {
	four, pause, yes := 4, 250*time.Millisecond, true
	defaults := service{
		Limit: 1000, Big: 5000000000, Ratio: 1.5, Names: []string{"a", "b"},
		Timeout: time.Minute, Grace: 90 * time.Second, Driver: "x", Path: "/srv",
	}
	tests := []struct {
		name    string
		preset  service
		content string
		environ []string
		want    func(*service)
	}{
		{name: "defaults", want: func(*service) {}},
		{
			name:   "what the caller put there stays without a default",
			preset: service{Host: "node1", Limit: 7, Workers: &four, NoOption: "n"},
			want:   func(s *service) { s.Host, s.Workers, s.NoOption = "node1", &four, "n" },
		},
		{
			name:    "the caller's value can be referred to",
			preset:  service{Host: "node1", Workers: &four},
			content: "[api]\npath=/run/$host/$workers/$verify",
			want:    func(s *service) { s.Host, s.Workers, s.Path = "node1", &four, "/run/node1/4/" },
		},
		{
			name:    "an empty optional number is unset",
			preset:  service{Workers: &four},
			content: "[api]\nworkers =",
			want:    func(s *service) {},
		},
		{
			name: "all types",
			content: "[api]\nregion_name=r\nhost=h\nmax_limit=1\nbig=-1\nratio=2\ndebug=On\nnames=x\nurls=1,2\nurls=3\n" +
				"timeout=0.5\ngrace=2\nretry=250\nworkers=4\nverify=1\npassword=p\ndriver=y\npath=/\n",
			want: func(s *service) {
				*s = service{
					shared: shared{Region: "r"}, Host: "h", Limit: 1, Big: -1, Ratio: 2, Debug: true,
					Names: []string{"x"}, URLs: []string{"1,2", "3"}, Timeout: time.Second / 2, Grace: 2 * time.Minute,
					Retry: &pause, Workers: &four, Verify: &yes, Password: "p", Driver: "y", Path: "/",
				}
			},
		},
		{
			name:    "an option that nobody declared can be referred to",
			content: "[DEFAULT]\nmy_ip=::1\nmy_url=http://$my_ip\n[api]\nhost=$my_url/\npath=${DEFAULT.my_ip}",
			want:    func(s *service) { s.Host, s.Path = "http://::1/", "::1" },
		},
		{
			name:    "the environment gives a multi-valued option one value",
			content: "[api]\nurls=1",
			environ: []string{"OS_API__URLS=abc"},
			want:    func(s *service) { s.URLs = []string{"abc"} },
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got := tc.preset
			if _, _, err := load(t, &got, tc.content, tc.environ...); err != nil {
				t.Fatal(err)
			}
			want := defaults
			tc.want(&want)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(service{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadReportsEverything(t *testing.T) {
	type config struct {
		service
		Name  string `opt:"name" required:"true"`
		Token string `opt:"token" required:"true" secret:"true"`
	}
	_, got, err := load(t, &config{}, `[api]
max_limit = 0
big = 9223372036854775808
ratio = nan
debug = y
timeout = 9999999999
retry = soon
workers =
password = s3cr$et
driver = z
names = $host$nope
urls = a
urls = $nope
path = $path
region_name = $max_limit
token =
`, "OS_API__VERIFY=s3cret?")
	if err == nil {
		t.Fatal("no error")
	}
	want := []string{
		`api.max_limit = "0" (x.conf:2): must be at least 1`,
		`api.big = "9223372036854775808" (x.conf:3): must be an integer`,
		`api.ratio = "nan" (x.conf:4): must be a number`,
		`api.debug = "y" (x.conf:5): must be true, 1, on or yes, or false, 0, off or no`,
		`api.names = "$host$nope" (x.conf:11): refers to $nope, which is no option; write $$ for a plain $, and ${name} where text follows the name`,
		`api.urls = "a,$nope" (x.conf:13): refers to $nope, which is no option; write $$ for a plain $, and ${name} where text follows the name`,
		`api.timeout = "9999999999" (x.conf:6): is too long a time`,
		`api.retry = "soon" (x.conf:7): must be a number`,
		`api.verify = "s3cret?" (environment variable OS_API__VERIFY): must be true, 1, on or yes, or false, 0, off or no`,
		`api.password (x.conf:9): has a $ that does not name an option; write $$ for a plain $`,
		`api.driver = "z" (x.conf:10): must be one of: x, y`,
		`api.path = "$path" (x.conf:14): refers to $path, which refers back to it`,
		`api.name: is required, but not set`,
		`api.token (x.conf:16): is required, but empty`,
	}
	if diff := cmp.Diff(want, strings.Split(got, "\n")); diff != "" {
		t.Error(diff)
	}
}

// TestLoadUndeclaredReference: nobody said that foo is no secret.
func TestLoadUndeclaredReference(t *testing.T) {
	_, got, err := load(t, &service{}, "[DEFAULT]\nfoo = s3$cret\n[api]\nhost = $foo\n")
	if want := "DEFAULT.foo (x.conf:2): has a $ that does not name an option; write $$ for a plain $"; err == nil || got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func TestLoadMalformedFile(t *testing.T) {
	type config struct {
		Name  string `opt:"name" required:"true"`
		Limit int    `opt:"limit"`
	}
	_, got, err := load(t, &config{}, "early = 1\n  more\n\n  s3cret\n[api\nlimit = lost\n[]\n[api]\nlimit = x\ns3cret\n= s3cret\n")
	if err == nil {
		t.Fatal("no error")
	}
	// The required name may be what the malformed lines meant to set.
	want := []string{
		"x.conf:1: an option before the first [section]",
		"x.conf:4: continuation of nothing: an option must not be indented, and a blank line or comment ends a value",
		"x.conf:5: a section header must end with ]",
		"x.conf:7: a section header needs a name",
		"x.conf:10: no = or : in the line",
		"x.conf:11: no option name before the =",
		`api.limit = "x" (x.conf:9): must be an integer`,
	}
	if diff := cmp.Diff(want, strings.Split(got, "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestLoadWarns(t *testing.T) {
	var s service
	got, _, err := load(t, &s, `[DEFAULT]
foo = 1
[default]
foo = 1
[api]
host = h
hsot = s3cret
hsot = again
enabled_ssl = false
folder = /f
[old]
path = /p
paht = /p
[profiler]
enabled = true
hmac_keys = s3cret
[docker]
ca_file = /c
cert_file = /c
[API]
hsot = a third time
[made_up]
one = 1
two = 2
`, "OS_API__HSOT=s3cret", "OS_API__HOST=e", "OS_PROFILER__ENABLED=1", "OS_API__ENABLED_SSL=1", "OS_CLOUD=c", "PATH=/bin")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`[DEFAULT] (x.conf:1): unknown group`,
		`[default] (x.conf:3): unknown group; did you mean [DEFAULT]?`,
		`[profiler] (x.conf:14): ignored: there is no profiler`,
		`[made_up] (x.conf:22): unknown group`,
		`api.hsot (x.conf:7): unknown option`,
		`api.enabled_ssl (x.conf:9): ignored: a proxy does TLS`,
		`api.folder (x.conf:10): deprecated, use api.path`,
		`old.path (x.conf:12): deprecated, use api.path`,
		`old.paht (x.conf:13): unknown option`,
		`docker.ca_file (x.conf:18): ignored: no Docker API is used`,
		`docker.cert_file (x.conf:19): unknown option`,
		`OS_API__ENABLED_SSL (environment): ignored: a proxy does TLS`,
		`OS_API__HSOT (environment): names no option`,
		`OS_PROFILER__ENABLED (environment): ignored: there is no profiler`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if s.Host != "e" || s.Path != "/f" {
		t.Errorf("host %q, path %q", s.Host, s.Path)
	}
}

func TestLoadRefusesBadDeclarations(t *testing.T) {
	tests := []struct {
		name   string
		target any
		want   string
	}{
		{"no pointer", struct{}{}, "not a pointer to a struct"},
		{"nothing", nil, "not a pointer to a struct"},
		{"nil pointer", (*service)(nil), "not a pointer to a struct"},
		{"type", &struct {
			A uint `opt:"a"`
		}{}, "type uint is not supported"},
		{"multi string", &struct {
			A string `opt:"a" multi:"true"`
		}{}, "cannot be multi"},
		{"not exported", &struct {
			a string `opt:"a"`
		}{}, "not exported"},
		{"name", &struct {
			A string `opt:"a-b"`
		}{}, "lower-case"},
		{"default", &struct {
			A int `opt:"a" default:"x"`
		}{}, "default: must be an integer"},
		{"default out of bounds", &struct {
			A int `opt:"a" default:"0" min:"1"`
		}{}, "default: must be at least 1"},
		{"bound", &struct {
			A int `opt:"a" min:"x"`
		}{}, "tag min"},
		{"unit", &struct {
			A time.Duration `opt:"a" unit:"d"`
		}{}, `unit "d"`},
		{"unit of a number", &struct {
			A int `opt:"a" unit:"s"`
		}{}, `unit "s"`},
		{"flag", &struct {
			A string `opt:"a" secret:"yes"`
		}{}, "tag secret"},
		{"twice", &struct {
			A string `opt:"a"`
			B string `opt:"a"`
		}{}, "declared twice"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load(Sources{}, []Group{{Name: "api", Target: tc.target}}, nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}
