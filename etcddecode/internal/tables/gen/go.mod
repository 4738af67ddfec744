module github.com/kubewright/kubewright/etcddecode/internal/tables/gen

go 1.26.0
