package queue

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// transport is what a transport_url says.
type transport struct {
	hosts []brokerHost
	vhost string
	ssl   *bool // nil: it says nothing about it
}

// brokerHost is one of the hosts of a cluster.
type brokerHost struct {
	name, port     string
	user, password string
}

func (h brokerHost) address() string { return net.JoinHostPort(h.name, h.port) }

// hostForm also takes names with underscores, which containers have, and those that DNS writes in another way.
var hostForm = regexp.MustCompile(`^[\pL\pN._-]+$`)

var schemeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*$`)

// parseTransportURL reads a URL as oslo.messaging writes it:
//
//	rabbit://user:password@host:port,user:password@host:port/virtual_host?ssl=1
//
// as well as amqp:// and amqps://. User, password and virtual host are percent-encoded. Other services' options in the
// query are let pass. Errors name the place, and never repeat the text: it holds passwords.
func parseTransportURL(text string) (transport, error) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(text), "://")
	if !ok || !schemeForm.MatchString(scheme) { // of another form, it may hold the password
		return transport{}, errors.New("is not of the form rabbit://user:password@host:5672/virtual_host")
	}
	t := transport{vhost: "/"}
	port := "5672"
	switch scheme {
	case "rabbit", "amqp":
	case "amqps":
		yes := true
		t.ssl, port = &yes, "5671"
	default:
		if strings.HasPrefix(scheme, "kombu+") {
			return t, fmt.Errorf("scheme %q is not supported: the broker has to be RabbitMQ, written rabbit://", scheme)
		}
		return t, fmt.Errorf("scheme %q is not one of rabbit, amqp, amqps", scheme)
	}
	if strings.Contains(rest, "#") {
		return t, errors.New(`holds a "#", which has to be written %23`)
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(rest, "/")
	if path != "" {
		var err error
		if t.vhost, err = url.PathUnescape(path); err != nil {
			return t, errors.New("the virtual host is not percent-encoded rightly")
		}
	}
	if err := t.parseQuery(query); err != nil {
		return t, err
	}
	return t, t.parseHosts(hosts, port)
}

func (t *transport) parseQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return errors.New("the query is not percent-encoded rightly")
	}
	if !values.Has("ssl") {
		return nil
	}
	ssl, err := parseBool(values.Get("ssl"))
	if err != nil {
		return errors.New("ssl in the query is neither true nor false")
	}
	t.ssl = &ssl
	return nil
}

// parseBool takes the words of oslo.config.
func parseBool(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "1", "true", "yes", "on":
		return true, nil
	case "0", "false", "no", "off":
		return false, nil
	}
	return false, errors.New("not a boolean")
}

func (t *transport) parseHosts(text, port string) error {
	parts := strings.Split(text, ",")
	credentials := 0
	for i, part := range parts {
		if part == "" {
			continue // as oslo.messaging does: a comma at the end, or no host at all
		}
		h, err := parseHost(part, port)
		if err != nil {
			return fmt.Errorf("host %d of %d: %w", i+1, len(parts), err)
		}
		if strings.Contains(part, "@") {
			credentials++
		}
		t.hosts = append(t.hosts, h)
	}
	switch {
	case len(t.hosts) == 0:
		return errors.New("names no host")
	case credentials != 0 && credentials != len(t.hosts):
		return errors.New("names user and password for some hosts only: every host needs its own")
	}
	return nil
}

// parseHost reads user:password@name:port. Without user and password it takes those of a fresh broker.
func parseHost(text, port string) (brokerHost, error) {
	h := brokerHost{user: "guest", password: "guest", port: port}
	if i := strings.LastIndexByte(text, '@'); i >= 0 {
		user, password, _ := strings.Cut(text[:i], ":")
		var err1, err2 error
		h.user, err1 = url.PathUnescape(user)
		h.password, err2 = url.PathUnescape(password)
		if err1 != nil || err2 != nil {
			return h, errors.New("user or password are not percent-encoded rightly")
		}
		text = text[i+1:]
	}
	var name, given string
	if inner, ok := strings.CutPrefix(text, "["); ok {
		if name, given, ok = strings.Cut(inner, "]"); !ok || net.ParseIP(name) == nil {
			return h, errors.New("the IPv6 address is not right")
		}
		if given, ok = strings.CutPrefix(given, ":"); !ok && given != "" {
			return h, errors.New("after the IPv6 address comes no port")
		}
	} else {
		name, given, _ = strings.Cut(text, ":")
	}
	switch {
	case name == "":
		return h, errors.New("has no name")
	case !strings.HasPrefix(text, "[") && !hostForm.MatchString(name):
		return h, errors.New("its name has a character that no host name has")
	}
	h.name = name
	if given == "" {
		return h, nil
	}
	if n, err := strconv.ParseUint(given, 10, 16); err != nil || n == 0 {
		return h, errors.New("the port is not a number from 1 to 65535; is an IPv6 address without brackets, or a password not percent-encoded?")
	}
	h.port = given
	return h, nil
}
