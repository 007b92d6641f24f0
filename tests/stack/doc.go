// Package stack runs the programs as an operator runs them: jeroboam-api and jeroboam-conductor as processes with
// configuration files, between real clients on one side and the real Keystone, RabbitMQ and MariaDB of package testenv
// with a simulated cloud on the other. Everything is of the test alone: binaries, database, virtual host, domain, projects
// and a region of the catalogue.
package stack
