package api

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// mountKey is where a request keeps the prefix that it came with.
const mountKey = "mount"

// base is the application's URL as the client sees it, without a trailing slash: links are made of it.
func (s *Server) base(c echo.Context) string {
	r := c.Request()
	scheme, host := "http", r.Host
	prefix, _ := c.Get(mountKey).(string)
	if r.TLS != nil {
		scheme = "https"
	}
	if s.cfg.ProxyHeaders {
		proto, name := forwarded(r)
		if proto != "" {
			scheme = proto
		}
		if name != "" {
			host = name
		}
		if told := first(r.Header.Get("X-Forwarded-Prefix")); told != "" {
			prefix = told
		}
	}
	return scheme + "://" + host + strings.TrimSuffix(prefix, "/")
}

// forwarded is what the proxy in front says it was asked: by the header Forwarded (RFC 7239) when there is one, otherwise
// by those that came before it.
func forwarded(r *http.Request) (proto, host string) {
	standard := first(r.Header.Get("Forwarded"))
	if standard == "" {
		return first(r.Header.Get("X-Forwarded-Proto")), first(r.Header.Get("X-Forwarded-Host"))
	}
	for pair := range strings.SplitSeq(standard, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		switch strings.ToLower(key) {
		case "proto":
			proto = strings.Trim(value, `"`)
		case "host":
			host = strings.Trim(value, `"`)
		}
	}
	return proto, host
}

// first of several values, as proxies in a row append them.
func first(list string) string {
	v, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(v)
}
