// Command jeroboam-conductor builds, changes and deletes clusters.
package main

import (
	"os"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/program"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
)

func main() { os.Exit(conductor().Main()) }

func conductor() program.Program {
	return program.Program{
		Name: "jeroboam-conductor",
		About: "Carries out what jeroboam-api has written into the database. Any number may run; each operation belongs to one\n" +
			"of them at a time. SIGTERM lets the steps under way finish and hands their operations to the others.",
		Start: func(s *service.Service) (program.Runner, error) { return s.Conductor() },
	}
}
