// Package api is the HTTP service: Magnum's v1 API over our rows and operations. A request is bound, authorised, checked
// with the caller's own rights, stored together with its operation, and answered; nothing is made in the cloud here.
package api

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/api/keystone"
	"github.com/jeroboam-cloud/jeroboam/api/policy"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// Config is group [api].
type Config struct {
	Host         string `opt:"host" default:"127.0.0.1" help:"Address to listen on"`
	Port         int    `opt:"port" default:"9511" min:"0" max:"65535" help:"Port to listen on; 0: any free one"`
	MaxLimit     int    `opt:"max_limit" default:"1000" min:"1" help:"Most items in one page of a list"`
	EnabledSSL   bool   `opt:"enabled_ssl" default:"false" help:"Serve HTTPS"`
	SSLCertFile  string `opt:"ssl_cert_file" help:"Certificate for HTTPS"`
	SSLKeyFile   string `opt:"ssl_key_file" help:"Key of the certificate"`
	HealthFile   string `opt:"healthcheck_disable_file" default:"/etc/jeroboam/healthcheck_disable" help:"While this file exists /healthcheck answers 503, so that load balancers send no more requests"`
	PathPrefix   string `opt:"path_prefix" help:"Path under which a proxy passes requests on without taking it away, such as /container-infra"`
	ProxyHeaders bool   // believe the X-Forwarded headers of the proxy in front; [oslo_middleware] has the option
}

// Defaults are what requests fall back to.
type Defaults struct {
	NetworkDriver    string
	NetworkDrivers   []string // allowed; "all" allows every one
	MaxClusters      int      // per project
	BootVolumeSize   int
	BootVolumeType   string
	DockerVolumeType string
	AffinityPolicy   string
	ServiceDownTime  time.Duration
	ServiceUserRoles []string
	EnabledDrivers   []string
	// ContainerInfraURL is this service as clusters reach it; "": as Keystone's catalogue says, in Region.
	ContainerInfraURL, Region string
	// Addons are on in clusters whose labels do not speak of them.
	Addons       []string
	MaxBaremetal int        // nodes per project; below 0: no limit
	Baremetal    cloud.Pool // the part of Ironic's nodes that is ours
	// UpgradesInPlace: conductors know where hosts get Kubernetes from that are upgraded where they are.
	UpgradesInPlace bool
}

// Server answers requests.
type Server struct {
	cfg Config
	Deps
	streams      chan struct{} // one for each live stream under way
	closing      chan struct{} // closed when live streams are to end
	closeStreams func()
}

// Deps are what a Server works with.
type Deps struct {
	Store    *db.Store
	Queue    queue.Publisher
	Policy   *policy.Enforcer
	Auth     keystone.Validator
	AuthWith keystone.Options // where clients get tokens, and which services may pass expired ones on
	Clouds   *cloud.Factory
	Secrets  certmanager.Manager
	X509     pki.Options
	Defaults Defaults
	CORS     CORS
	Log      *zap.Logger
	Metrics  prometheus.Gatherer // nil: none are served
	Now      func() time.Time
	NewUUID  func() string
	// Catalogue of other people's manifests; nil: there is none.
	Catalogue Catalogue
	// OwnCredentials: there are no service users whose credential could be rotated.
	OwnCredentials bool
}

var uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// New makes a Server.
func New(cfg Config, d Deps) *Server {
	s := &Server{cfg: cfg, Deps: d, streams: make(chan struct{}, maxStreams), closing: make(chan struct{})}
	s.closeStreams = sync.OnceFunc(func() { close(s.closing) })
	return s
}

// Handler is the whole service.
func (s *Server) Handler() http.Handler {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = func(err error, c echo.Context) { writeError(c, err) }
	e.IPExtractor = echo.ExtractIPDirect()
	e.Pre(s.normalise)
	e.Use(s.requestIDs, middleware.RecoverWithConfig(middleware.RecoverConfig{LogErrorFunc: s.panicked}), s.accessLog)
	if cors := s.CORS.middleware(); cors != nil {
		e.Use(cors)
	}
	e.Use(noOptions, noNUL)
	s.public(e)
	auth := keystone.Middleware(s.Auth, s.AuthWith)
	for _, r := range s.routes() {
		e.Add(r.method, r.path, s.authorised(r), auth, versions)
	}
	return e
}

// normalise gives every path one form: no prefix of a proxy, no trailing slash, and /v1 in front where a client left it out.
func (s *Server) normalise(next echo.HandlerFunc) echo.HandlerFunc {
	mount := strings.Trim(s.cfg.PathPrefix, "/")
	return func(c echo.Context) error {
		u := c.Request().URL
		p := strings.TrimSuffix(u.Path, "/")
		if rest, ok := strings.CutPrefix(p, "/"+mount); ok && mount != "" && (rest == "" || rest[0] == '/') {
			c.Set(mountKey, "/"+mount)
			p = rest
		}
		first, _, _ := strings.Cut(strings.TrimPrefix(p, "/"), "/")
		switch {
		case p == "":
			p = "/"
		case first != "v1" && first != "healthcheck" && first != "metrics" && p != documentPath && !versionPrefix.MatchString(first):
			p = "/v1" + p
		}
		u.Path, u.RawPath = p, ""
		return next(c)
	}
}

var versionPrefix = regexp.MustCompile(`^v[0-9]+(\.[0-9]+)?$`)

const requestIDHeader = "X-Openstack-Request-Id"

func requestID(c echo.Context) string { return c.Response().Header().Get(requestIDHeader) }

// requestIDs gives every request an id. One that the client sent, and that looks like one, is kept: it ties our log to theirs.
func (s *Server) requestIDs(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		id := c.Request().Header.Get(requestIDHeader)
		if !log.ValidRequestID(id) {
			id = log.NewRequestID()
		}
		c.Response().Header().Set(requestIDHeader, id)
		ctx := log.Into(c.Request().Context(), s.Log.With(log.RequestID(id)))
		c.SetRequest(c.Request().WithContext(ctx))
		return next(c)
	}
}

func (s *Server) accessLog(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := s.Now()
		err := next(c)
		if err != nil {
			c.Error(err)
		}
		r := c.Request()
		log.From(r.Context()).Info("request", zap.String("method", r.Method), zap.String("path", r.URL.Path),
			zap.Int("status", c.Response().Status), zap.Duration("took", s.Now().Sub(started)))
		return nil
	}
}

func (s *Server) panicked(c echo.Context, err error, stack []byte) error {
	log.From(c.Request().Context()).Error("handler panicked", zap.Error(err), zap.ByteString("stack", stack))
	return fmt.Errorf("handler panicked: %w", err)
}

// caller is who asks, with what the rules call him.
type caller struct {
	*keystone.Identity
	admin bool
	creds policy.Creds
}

const callerKey = "caller"

func callerOf(c echo.Context) caller {
	who, _ := c.Get(callerKey).(caller)
	return who
}

// scope is the project that the caller's look-ups are bound to; "" for admins, who see all.
func (w caller) scope() string {
	if w.admin {
		return ""
	}
	return w.ProjectID
}

// authorised wraps a route's handler: version range, rule, and the log's knowledge of who asks.
func (s *Server) authorised(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		who := caller{Identity: keystone.FromContext(c.Request().Context())}
		if who.Identity == nil {
			return fail(http.StatusUnauthorized, "The request you have made requires authentication.")
		}
		// Magnum never shows system and domain scope to its rules: a system admin is an admin without a project.
		who.creds = policy.Creds{UserID: who.UserID, ProjectID: who.ProjectID, Roles: who.Roles}
		who.admin = s.Policy.IsAdmin(who.creds)
		who.creds.IsAdmin = who.admin
		c.Set(callerKey, who)
		l := log.From(c.Request().Context()).With(log.UserID(who.UserID), log.ProjectID(who.ProjectID))
		c.SetRequest(c.Request().WithContext(log.Into(c.Request().Context(), l)))
		if minor(c) < r.since || (r.until > 0 && minor(c) > r.until) {
			return fail(http.StatusNotAcceptable, "Version 1.%d does not have %s %s.", minor(c), r.method, r.path)
		}
		if who.ProjectID == "" && (!who.admin || r.stores) {
			return fail(http.StatusForbidden, "A token with a project is needed for this.")
		}
		if !r.targeted { // the target is the caller: what is left to ask is the role
			rule := r.rule
			if who.admin && r.adminRule != "" {
				rule = r.adminRule
			}
			if err := s.allow(c, rule, who.ProjectID, who.UserID); err != nil {
				return err
			}
		}
		return r.handler(c)
	}
}

// allow evaluates a rule against an object's owner.
func (s *Server) allow(c echo.Context, rule, projectID, userID string) error {
	if s.Policy.Authorize(rule, callerOf(c).creds, map[string]string{"project_id": projectID, "user_id": userID}) {
		return nil
	}
	return fail(http.StatusForbidden, "Policy doesn't allow %s to be performed.", rule)
}

// allowTarget is allow with the rule for admins of other projects' objects.
func (s *Server) allowTarget(c echo.Context, rule, adminRule, projectID, userID string) error {
	if callerOf(c).admin && adminRule != "" {
		rule = adminRule
	}
	return s.allow(c, rule, projectID, userID)
}

// ring tells the conductors. When the queue is away the sweeper finds the operation: the request has succeeded.
func (s *Server) ring(ctx context.Context, operationID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Queue.Publish(ctx, queue.Message{OperationID: operationID}); err != nil {
		log.From(ctx).Warn("the queue could not be rung; the operation waits for the sweeper", log.OperationID(operationID), zap.Error(err))
	}
}
