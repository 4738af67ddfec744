// Command nothing does nothing: the CPU time of its process is what any Go program takes to start and to end.
package main

func main() {}
