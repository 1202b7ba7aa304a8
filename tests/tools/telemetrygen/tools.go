//go:build tools

// Package tools names the program that is built here, so that go.mod keeps it.
package tools

import _ "github.com/open-telemetry/opentelemetry-collector-contrib/cmd/telemetrygen"
