// Package tempest runs the tests that Magnum's own developers hold every deployment to: magnum-tempest-plugin by tempest,
// both from Debian's packages, against our processes among real servers.
package tempest
