// Package functional drives the whole service from outside: the real `openstack` command, plain HTTP and client-go
// against jeroboam-api and two conductors, with a real Keystone, RabbitMQ and MariaDB and a simulated cloud.
package functional
