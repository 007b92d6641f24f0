package redfish

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	root     = "/redfish/v1/"
	sessions = root + "SessionService/Sessions"

	maxSessions = 64
	maxBody     = 64 << 10 // of a request
	readTime    = 10 * time.Second
)

// Options of a service.
type Options struct {
	Username, Password string
	Folder             string      // of what its systems write
	Log                *log.Logger // of each request
}

// Service is one BMC with all its systems.
type Service struct {
	options  Options
	listener net.Listener
	server   *http.Server
	ca       []byte
	served   chan struct{}

	mu       sync.Mutex
	systems  []*System
	sessions map[string][sha256.Size]byte // what each one's token sums up to
}

// Start has a service listen.
func Start(o Options) (*Service, error) {
	certificate, ca, err := selfSigned()
	if err != nil {
		return nil, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	s := &Service{options: o, listener: listener, ca: ca, served: make(chan struct{}), sessions: map[string][sha256.Size]byte{}}
	s.server = &http.Server{Handler: s.handler(), ReadTimeout: readTime, ErrorLog: o.Log}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(listener) // it ends with Close
	}()
	return s, nil
}

// URL is where it listens.
func (s *Service) URL() string { return "https://" + s.listener.Addr().String() }

// CA is who signed its certificate, in PEM.
func (s *Service) CA() []byte { return s.ca }

// Close ends the service and cuts the power of its systems.
func (s *Service) Close() error {
	err := s.server.Close()
	<-s.served
	s.mu.Lock()
	systems := s.systems
	s.mu.Unlock()
	for _, x := range systems {
		err = errors.Join(err, x.close())
	}
	return err
}

// Add makes a system of a machine, with a network card of that address.
func (s *Service) Add(mac string, machine func(folder string) Machine) (*System, error) {
	id := uuid.NewString()
	folder := filepath.Join(s.options.Folder, id)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return nil, err
	}
	x := newSystem(id, mac, folder, machine(folder))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.systems = append(s.systems, x)
	return x, nil
}

func (s *Service) all() []*System {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*System(nil), s.systems...)
}

func (s *Service) find(id string) *System {
	for _, x := range s.all() {
		if x.id == id {
			return x
		}
	}
	return nil
}

// handler has a line for each resource. A system's manager, its BMC, has the id of the system.
func (s *Service) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /redfish/v1/{$}", s.showRoot)
	m.HandleFunc("GET /redfish/v1", s.showRoot)
	m.HandleFunc("POST "+sessions, s.openSession)
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request){
		"GET " + root + "SessionService":                                     s.showSessionService,
		"DELETE " + sessions + "/{id}":                                       s.closeSession,
		"GET " + root + "Systems":                                            s.listSystems,
		"GET " + root + "Managers":                                           s.listManagers,
		"GET " + root + "Systems/{id}":                                       s.of(showSystem),
		"PATCH " + root + "Systems/{id}":                                     s.of(changeSystem),
		"POST " + root + "Systems/{id}/" + reset:                             s.of(resetSystem),
		"GET " + root + "Systems/{id}/EthernetInterfaces":                    s.of(listCards),
		"GET " + root + "Systems/{id}/EthernetInterfaces/" + card:            s.of(showCard),
		"GET " + root + "Managers/{id}":                                      s.of(showManager),
		"GET " + root + "Managers/{id}/VirtualMedia":                         s.of(listDrives),
		"GET " + root + "Managers/{id}/VirtualMedia/{drive}":                 s.of(inDrive(showDrive)),
		"POST " + root + "Managers/{id}/VirtualMedia/{drive}/" + insertMedia: s.of(inDrive(insert)),
		"POST " + root + "Managers/{id}/VirtualMedia/{drive}/" + ejectMedia:  s.of(inDrive(eject)),
	} {
		m.HandleFunc(pattern, s.known(serve))
	}
	m.HandleFunc("/", s.known(func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, "ResourceMissingAtURI", "there is no resource "+r.URL.Path)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		seen := &status{ResponseWriter: w, code: http.StatusOK}
		m.ServeHTTP(seen, r)
		s.options.Log.Printf("%s %s: %d", r.Method, r.URL.Path, seen.code)
	})
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
}

func (s *status) WriteHeader(code int) {
	s.code = code
	s.ResponseWriter.WriteHeader(code)
}

// of finds the system that a request is about.
func (s *Service) of(serve func(http.ResponseWriter, *http.Request, *System)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		x := s.find(r.PathValue("id"))
		if x == nil {
			fail(w, http.StatusNotFound, "ResourceMissingAtURI", "there is no system "+r.PathValue("id"))
			return
		}
		serve(w, r, x)
	}
}

// known lets those pass who have a session, or say name and password with each request.
func (s *Service) known(serve func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		name, password, basic := r.BasicAuth()
		if token := r.Header.Get("X-Auth-Token"); !s.session(token) && !(basic && s.login(name, password)) {
			fail(w, http.StatusUnauthorized, "NoValidSession", "there is no valid session established with this service")
			return
		}
		serve(w, r)
	}
}

// session tells whether a token is one of a session. Sums are compared, in the same time whatever is in them.
func (s *Service) session(token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum, found := sha256.Sum256([]byte(token)), 0
	for _, x := range s.sessions {
		found |= subtle.ConstantTimeCompare(sum[:], x[:])
	}
	return found == 1
}

func (s *Service) login(name, password string) bool {
	given, want := sha256.Sum256([]byte(name+"\x00"+password)), sha256.Sum256([]byte(s.options.Username+"\x00"+s.options.Password))
	return subtle.ConstantTimeCompare(given[:], want[:]) == 1
}

func (s *Service) openSession(w http.ResponseWriter, r *http.Request) {
	var in struct{ UserName, Password string }
	if !read(w, r, &in) {
		return
	}
	if !s.login(in.UserName, in.Password) {
		fail(w, http.StatusUnauthorized, "ResourceAtUriUnauthorized", "name or password are wrong")
		return
	}
	id, token := uuid.NewString(), uuid.NewString()
	s.mu.Lock()
	full := len(s.sessions) >= maxSessions
	if !full {
		s.sessions[id] = sha256.Sum256([]byte(token))
	}
	s.mu.Unlock()
	if full {
		fail(w, http.StatusServiceUnavailable, "SessionLimitExceeded", fmt.Sprintf("%d sessions are open, and no more can be", maxSessions))
		return
	}
	w.Header().Set("X-Auth-Token", token)
	w.Header().Set("Location", sessions+"/"+id)
	show(w, http.StatusCreated, object{"@odata.id": sessions + "/" + id, "@odata.type": "#Session.v1_3_0.Session", "Id": id, "Name": "Session", "UserName": in.UserName})
}

func (s *Service) closeSession(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	delete(s.sessions, r.PathValue("id"))
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// read takes the body of a request, and answers by itself when it is not what it has to be.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		fail(w, http.StatusBadRequest, "MalformedJSON", "the body is not what it has to be: "+err.Error())
		return false
	}
	return true
}

// object is one in JSON.
type object map[string]any

func show(w http.ResponseWriter, code int, o object) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("OData-Version", "4.0")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(o) // who does not listen any more needs no answer
}

func fail(w http.ResponseWriter, code int, id, text string) {
	id = "Base.1.8." + id
	show(w, code, object{"error": object{"code": id, "message": text, "@Message.ExtendedInfo": []object{{"MessageId": id, "Message": text}}}})
}
