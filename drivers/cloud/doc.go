// Package cloud is OpenStack as this project needs it: one narrow type per service over gophercloud, clients for the
// three kinds of actors (the service itself, a cluster's service user, a caller by token), and errors that say what they
// mean. It knows nothing of clusters.
package cloud
