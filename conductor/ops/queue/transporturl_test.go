package queue

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTransportURL(t *testing.T) {
	yes, no := true, false
	guest := func(name, port string) brokerHost {
		return brokerHost{name: name, port: port, user: "guest", password: "guest"}
	}
	for _, tt := range []struct {
		name, url string
		want      transport
	}{
		{name: "one host", url: "rabbit://u:p@h1:5673/v", want: transport{hosts: []brokerHost{{"h1", "5673", "u", "p"}}, vhost: "v"}},
		{name: "several hosts", url: "rabbit://u:p@h1:5672,u2:p2@h2/v", want: transport{hosts: []brokerHost{{"h1", "5672", "u", "p"}, {"h2", "5672", "u2", "p2"}}, vhost: "v"}},
		{name: "a comma at the end", url: "rabbit://u:p@h1,", want: transport{hosts: []brokerHost{{"h1", "5672", "u", "p"}}, vhost: "/"}},
		{name: "no credentials", url: "rabbit://h1,h2", want: transport{hosts: []brokerHost{guest("h1", "5672"), guest("h2", "5672")}, vhost: "/"}},
		{name: "white space around it", url: " rabbit://h1/ \n", want: transport{hosts: []brokerHost{guest("h1", "5672")}, vhost: "/"}},
		{name: "no path", url: "rabbit://h1?ssl=0", want: transport{hosts: []brokerHost{guest("h1", "5672")}, vhost: "/", ssl: &no}},
		{name: "virtual host / in oslo's way", url: "rabbit://h1//", want: transport{hosts: []brokerHost{guest("h1", "5672")}, vhost: "/"}},
		{name: "virtual host with a slash in it", url: "rabbit://h1/%2Fa/b", want: transport{hosts: []brokerHost{guest("h1", "5672")}, vhost: "/a/b"}},
		{name: "percent-encoding", url: "rabbit://u%40x:p%2F%3A%2C%23%3F%25+@h1/v%20w", want: transport{hosts: []brokerHost{{"h1", "5672", "u@x", "p/:,#?%+"}}, vhost: "v w"}},
		{name: "an @ and a : in the password", url: "rabbit://u:p@s:s@h1", want: transport{hosts: []brokerHost{{"h1", "5672", "u", "p@s:s"}}, vhost: "/"}},
		{name: "an empty password", url: "rabbit://u:@h1", want: transport{hosts: []brokerHost{{"h1", "5672", "u", ""}}, vhost: "/"}},
		{name: "no password", url: "rabbit://u@h1", want: transport{hosts: []brokerHost{{"h1", "5672", "u", ""}}, vhost: "/"}},
		{name: "IPv6", url: "rabbit://u:p@[2001:db8::1]:5673,u:p@[::1]/", want: transport{hosts: []brokerHost{{"2001:db8::1", "5673", "u", "p"}, {"::1", "5672", "u", "p"}}, vhost: "/"}},
		{name: "a port that is left out", url: "rabbit://h1:/", want: transport{hosts: []brokerHost{guest("h1", "5672")}, vhost: "/"}},
		{name: "ssl in the query, beside other services' options", url: "rabbit://h1/?rpc_timeout=3&ssl=True", want: transport{hosts: []brokerHost{guest("h1", "5672")}, vhost: "/", ssl: &yes}},
		{name: "amqp", url: "amqp://h1/v", want: transport{hosts: []brokerHost{guest("h1", "5672")}, vhost: "v"}},
		{name: "amqps", url: "amqps://h1/v", want: transport{hosts: []brokerHost{guest("h1", "5671")}, vhost: "v", ssl: &yes}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseTransportURL(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(transport{}, brokerHost{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseTransportURLErrors(t *testing.T) {
	for _, tt := range []struct{ name, url, want string }{
		{"empty", "", "form rabbit://"},
		{"no scheme", "u:s3cret@h1", "form rabbit://"},
		{"another transport of kombu", "kombu+memory://u:s3cret@h1", `"kombu+memory" is not supported`},
		{"another driver", "kafka://u:s3cret@h1", `"kafka" is not one of`},
		{"the scheme's :// only after the password", "u:s3cret@h1/?x=http://y", "form rabbit://"},
		{"a bracket in the name", "rabbit://u:s3cret@h]1", "no host name has"},
		{"no host", "rabbit:///v", "names no host"},
		{"a host without a name", "rabbit://u:s3cret@:5672/", "host 1 of 1: has no name"},
		{"a raw # in the password", "rabbit://u:s3#cret@h1/", "%23"},
		{"a raw / in the password", "rabbit://u:s3/cret@h1/", "port is not a number"},
		{"a raw comma in the password", "rabbit://u:s3,cret@h1/", "host 1 of 2: the port is not a number"},
		{"a raw % in the password", "rabbit://u:s3%cret@h1/", "percent-encoded"},
		{"a raw % in the virtual host", "rabbit://u:s3cret@h1/%zz", "virtual host"},
		{"a raw % in the query", "rabbit://u:s3cret@h1/?a=%zz", "the query"},
		{"ssl with another word", "rabbit://u:s3cret@h1/?ssl=maybe", "ssl in the query"},
		{"credentials for one host only", "rabbit://u:s3cret@h1,h2/", "some hosts only"},
		{"a port too high", "rabbit://u:s3cret@h1:65536/", "port is not a number"},
		{"IPv6 without brackets", "rabbit://u:s3cret@::1/", "has no name"},
		{"IPv6 without its end", "rabbit://u:s3cret@[::1/", "IPv6"},
		{"IPv6 that is none", "rabbit://u:s3cret@[h1]/", "IPv6"},
		{"words after IPv6", "rabbit://u:s3cret@[::1]x/", "no port"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseTransportURL(tt.url)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "s3") || strings.Contains(err.Error(), "cret") {
				t.Errorf("error %q gives the password away", err)
			}
		})
	}
}
