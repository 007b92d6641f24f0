package api

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// Microversions that we serve: Magnum's.
const (
	minMinor = 1
	maxMinor = 14
)

const longService = "container-infrastructure-management"

const versionKey = "microversion"

// versionError is the 406 of a version that we do not have; its body has no detail but a description.
type versionError struct{ description string }

func (e *versionError) Error() string { return e.description }

func (e *versionError) body() any {
	return map[string]any{"errors": []any{map[string]any{
		"code": "magnum.microversion-unsupported", "title": "Requested microversion is unsupported", "description": e.description,
		"max_version": fmt.Sprintf("1.%d", maxMinor), "min_version": fmt.Sprintf("1.%d", minMinor),
		"links": []any{map[string]string{"rel": "help", "href": "http://docs.openstack.org/api-guide/compute/microversions.html"}}}}}
}

// minorOf reads the microversion header. Without one it is 1.1.
func minorOf(header string) (int, error) {
	if header == "" {
		return minMinor, nil
	}
	service, version, ok := strings.Cut(strings.TrimSpace(header), " ")
	version = strings.TrimSpace(version)
	if ok && strings.EqualFold(version, "latest") {
		return maxMinor, nil
	}
	switch service {
	case "container-infra", "container-infrastructure", longService:
	default:
		return 0, fail(406, "Invalid service type for OpenStack-API-Version header: %s", service)
	}
	major, minor, ok := strings.Cut(version, ".")
	ma, err1 := strconv.Atoi(major)
	mi, err2 := strconv.Atoi(minor)
	switch {
	case !ok, err1 != nil, err2 != nil:
		return 0, fail(406, "Invalid value for OpenStack-API-Version header: %s", version)
	case ma != 1:
		return 0, &versionError{fmt.Sprintf("Invalid value for OpenStack-API-Version header: requested version %s and the available major versions are mutually exclusive. [%s 1.%d, %s 1.%d]", version, longService, minMinor, longService, maxMinor)}
	case mi < minMinor, mi > maxMinor:
		return 0, &versionError{fmt.Sprintf("Version %s was requested but the minor version is not supported by this service. The supported version range is: [%s 1.%d, %s 1.%d].", version, longService, minMinor, longService, maxMinor)}
	}
	return mi, nil
}

// versions negotiates, and says on every answer what was used.
func versions(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		minor, err := minorOf(c.Request().Header.Get("OpenStack-API-Version"))
		if err != nil {
			return err
		}
		c.Set(versionKey, minor)
		h := c.Response().Header()
		h.Set("OpenStack-API-Minimum-Version", fmt.Sprintf("%s 1.%d", longService, minMinor))
		h.Set("OpenStack-API-Maximum-Version", fmt.Sprintf("%s 1.%d", longService, maxMinor))
		h.Set("OpenStack-API-Version", fmt.Sprintf("%s 1.%d", longService, minor))
		h.Add("Vary", "OpenStack-API-Version")
		return next(c)
	}
}

func minor(c echo.Context) int {
	m, _ := c.Get(versionKey).(int)
	return m
}
