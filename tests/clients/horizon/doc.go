// Package horizon works with the dashboard as a person does: Horizon with magnum-ui from Debian's packages, in a headless
// Chromium, in front of our processes among real servers. Each step leaves a picture.
package horizon
