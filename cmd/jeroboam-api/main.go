// Command jeroboam-api serves Magnum's v1 API.
package main

import (
	"os"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/program"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
)

func main() { os.Exit(api().Main()) }

func api() program.Program {
	return program.Program{
		Name: "jeroboam-api",
		About: "Serves the container-infra API: it checks what is asked for, writes it into the database and rings for\n" +
			"jeroboam-conductor. Any number may run behind a load balancer. SIGTERM lets requests under way finish.",
		Start: func(s *service.Service) (program.Runner, error) { return s.API(nil) },
	}
}
