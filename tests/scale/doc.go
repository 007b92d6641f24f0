// Package scale runs many clusters at once and measures what the service is held to: that nobody gets stuck or waits for
// the others, how soon a request is taken up, and how much memory that takes.
package scale
