package queue

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzTransportURL: what was understood means the same when it is written down again, and a mistake tells nothing of what
// may be a password.
func FuzzTransportURL(f *testing.F) {
	for _, s := range []string{"rabbit://u:p@h1:5672,u2:p2@[::1]/v%2F?ssl=yes", "amqps://h1", "rabbit://", "amqp://u:p%40@h,", "rabbit://u:p@s:s@h1//a", " rabbit://h/?a=b&ssl=0",
		"u:s3cret@h1://", "u:s3cret@h/?x=http://y", "rabbit://u:s3cret@h:0/", "kombu+s3cret:x@h://y", "rabbit://u:p@h:05672/%41"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTransportURL(text)
		if err != nil {
			scheme, _, _ := strings.Cut(strings.TrimSpace(text), "://")
			msg := err.Error()
			if schemeForm.MatchString(scheme) { // that it may tell
				msg = strings.ReplaceAll(msg, strconv.Quote(scheme), "")
			}
			_, secret, _ := strings.Cut(text, ":")
			for _, part := range strings.FieldsFunc(secret, func(r rune) bool { return strings.ContainsRune("@:/?,# ", r) }) {
				if len(part) >= 6 && strings.Contains(msg, part) && !strings.Contains(allMistakes, part) {
					t.Errorf("%q: the error tells %q: %v", text, part, err)
				}
			}
			return
		}
		if len(got.hosts) == 0 {
			t.Fatalf("%q: no hosts", text)
		}
		for _, h := range got.hosts {
			host, port, err := net.SplitHostPort(h.address())
			if n, bad := strconv.Atoi(port); err != nil || host != h.name || bad != nil || n < 1 || n > 65535 {
				t.Errorf("%q: address %q", text, h.address())
			}
		}
		again, err := parseTransportURL(writeTransportURL(got))
		if err != nil {
			t.Fatalf("%q was understood, and written as %q it is not: %v", text, writeTransportURL(got), err)
		}
		if diff := cmp.Diff(got, again, cmp.AllowUnexported(transport{}, brokerHost{})); diff != "" {
			t.Errorf("%q, written as %q, means something else (-before +after):\n%s", text, writeTransportURL(got), diff)
		}
	})
}

// allMistakes are the words that errors are made of: they are no secret, even where a URL has them too.
const allMistakes = "form rabbit://user:password@host:5672/virtual_host scheme is not supported: the broker has to be RabbitMQ, written rabbit://; " +
	"is not one of rabbit, amqp, amqps; holds a \"#\", which has to be written %23; the virtual host is not percent-encoded rightly; the query; " +
	"ssl in the query is neither true nor false; host of: names no host; names user and password for some hosts only: every host needs its own; " +
	"user or password are not percent-encoded rightly; the IPv6 address is not right; after the IPv6 address comes no port; has no name; its name has a character that no host name has; " +
	"the port is not a number from 1 to 65535; is an IPv6 address without brackets, or a password not percent-encoded? kombu+"

func writeTransportURL(t transport) string {
	var hosts []string
	for _, h := range t.hosts {
		hosts = append(hosts, escapePassword(h.user)+":"+escapePassword(h.password)+"@"+h.address())
	}
	s := "rabbit://" + strings.Join(hosts, ",") + "/" + url.PathEscape(t.vhost)
	if t.ssl != nil {
		s += "?ssl=" + strconv.FormatBool(*t.ssl)
	}
	return s
}

// escapePassword escapes also what PathEscape leaves alone and means something here.
func escapePassword(s string) string {
	return strings.NewReplacer(":", "%3A", "@", "%40", ",", "%2C").Replace(url.PathEscape(s))
}
