package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
)

// CORS is group [cors]: which web pages of other origins may use the API from a browser.
type CORS struct {
	AllowedOrigin    []string `opt:"allowed_origin" help:"Origins whose pages may use the API, such as https://dashboard.example.org; * is any. None: no page may"`
	AllowCredentials bool     `opt:"allow_credentials" default:"true" help:"Pages may send cookies and TLS client certificates along. Not with allowed_origin = *"`
	ExposeHeaders    []string `opt:"expose_headers" default:"X-Auth-Token,X-Subject-Token,X-Service-Token,X-OpenStack-Request-ID,X-Server-Management-Url,OpenStack-API-Version" help:"Headers of answers that pages may read"`
	MaxAge           int      `opt:"max_age" default:"3600" min:"0" help:"Seconds for which browsers remember the answer"`
	AllowMethods     []string `opt:"allow_methods" default:"GET,PUT,POST,DELETE,PATCH" help:"Methods that pages may use"`
	AllowHeaders     []string `opt:"allow_headers" default:"X-Auth-Token,X-Identity-Status,X-Roles,X-Service-Catalog,X-User-Id,X-Tenant-Id,X-OpenStack-Request-ID,X-Server-Management-Url,OpenStack-API-Version,Content-Type,Last-Event-ID" help:"Headers that pages may send"`
}

// ofNoPage tells requests that no page of another origin sends: OPTIONS then is a method that nothing has.
func ofNoPage(c echo.Context) bool {
	h := c.Request().Header
	return h.Get("Origin") == "" || (c.Request().Method == http.MethodOptions && h.Get("Access-Control-Request-Method") == "")
}

// noOptions refuses a method that nothing has, where echo would answer it by itself.
func noOptions(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if allow, _ := c.Get(echo.ContextKeyHeaderAllow).(string); c.Request().Method == http.MethodOptions && allow != "" {
			c.Response().Header().Set(echo.HeaderAllow, allow)
			return echo.ErrMethodNotAllowed
		}
		return next(c)
	}
}

// middleware answers the preflight requests of browsers, before anything asks for a token. Nil: there is nothing to allow.
func (c CORS) middleware() echo.MiddlewareFunc {
	if len(c.AllowedOrigin) == 0 {
		return nil
	}
	return middleware.CORSWithConfig(middleware.CORSConfig{Skipper: ofNoPage, AllowOrigins: c.AllowedOrigin, AllowMethods: c.AllowMethods, AllowHeaders: c.AllowHeaders,
		ExposeHeaders: c.ExposeHeaders, MaxAge: c.MaxAge, AllowCredentials: c.AllowCredentials && !slices.Contains(c.AllowedOrigin, "*")})
}
