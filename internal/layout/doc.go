// Package layout has no code of its own: its test holds which folder of the module may import which.
package layout
