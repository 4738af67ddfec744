// Package patch WIP
package patch
