package sim

import (
	"encoding/json"
	"net/http"
)

// controlRoutes lets another process drive the simulator: no token, since it is a tool for tests on loopback.
func (c *Cloud) controlRoutes(mux *http.ServeMux) {
	reply := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("POST /_sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var rule Rule
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&rule)
		if err == nil {
			err = c.Inject(rule)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /_sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		c.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_sim/hosts/{id}/crash", func(w http.ResponseWriter, r *http.Request) {
		if err := c.Crash(r.PathValue("id")); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_sim/resources", func(w http.ResponseWriter, r *http.Request) {
		reply(w, c.Resources(r.URL.Query().Get("project")))
	})
	mux.HandleFunc("GET /_sim/calls", func(w http.ResponseWriter, _ *http.Request) { reply(w, c.Calls()) })
	mux.HandleFunc("POST /_sim/endpoints", func(w http.ResponseWriter, r *http.Request) {
		var e Endpoint
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&e); err != nil || e.Type == "" || e.URL == "" {
			http.Error(w, "an endpoint has Type, Name and URL", http.StatusBadRequest)
			return
		}
		c.RegisterEndpoint(e.Type, e.Name, e.URL)
		w.WriteHeader(http.StatusNoContent)
	})
}
