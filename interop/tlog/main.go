// Command tlog checks a log that tenure-tlog wrote with Go's own implementations:
// golang.org/x/mod/sumdb/note for keys and signatures, golang.org/x/mod/sumdb/tlog for the tree, proofs and tiles.
//
// It reads one JSON document, as `cargo run -p tenure-tlog --example interop` prints it, from standard input, and prints
// what it has checked. Any difference ends it with status 1.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type document struct {
	VKey        string            `json:"vkey"`
	SKey        string            `json:"skey"`
	Leaves      []string          `json:"leaves"`
	Checkpoints []checkpoint      `json:"checkpoints"`
	Inclusion   []proof           `json:"inclusion"`
	Consistency []proof           `json:"consistency"`
	Tiles       map[string]string `json:"tiles"`
}

type checkpoint struct {
	Size int64  `json:"size"`
	Note string `json:"note"`
}

// proof is of the leaf, or the smaller tree, in the tree of Size leaves.
type proof struct {
	Inner int64    `json:"inner"`
	Size  int64    `json:"size"`
	Path  []string `json:"path"`
}

func check(err error, what string, args ...any) {
	if err != nil {
		log.Fatalf("%s: %v", fmt.Sprintf(what, args...), err)
	}
}

func hash(text string) (h tlog.Hash) {
	bytes, err := base64.StdEncoding.DecodeString(text)
	check(err, "hash %q", text)
	if len(bytes) != len(h) {
		log.Fatalf("hash %q has %d bytes", text, len(bytes))
	}
	copy(h[:], bytes)
	return h
}

func hashes(texts []string) (list []tlog.Hash) {
	for _, text := range texts {
		list = append(list, hash(text))
	}
	return list
}

// served gives tiles as a log serves them, in C2SP's paths, where Go's have the tile height in front.
type served map[string]string

func (s served) Height() int { return 8 }

func (s served) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var read [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		text, ok := s[path]
		if !ok {
			return nil, fmt.Errorf("no tile %s", path)
		}
		bytes, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, err
		}
		read = append(read, bytes)
	}
	return read, nil
}

func (s served) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	log.SetFlags(0)
	var doc document
	check(json.NewDecoder(os.Stdin).Decode(&doc), "input")

	verifier, err := note.NewVerifier(doc.VKey)
	check(err, "vkey")
	signer, err := note.NewSigner(doc.SKey)
	check(err, "skey")

	// The tree, built by Go from the leaves.
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, err error) {
		for _, index := range indexes {
			list = append(list, stored[index])
		}
		return list, nil
	})
	for index, leaf := range doc.Leaves {
		more, err := tlog.StoredHashes(int64(index), []byte(leaf), reader)
		check(err, "leaf %d", index)
		stored = append(stored, more...)
	}
	roots := map[int64]tlog.Hash{}
	for size := int64(1); size <= int64(len(doc.Leaves)); size++ {
		root, err := tlog.TreeHash(size, reader)
		check(err, "root of %d", size)
		roots[size] = root
	}

	for _, checkpoint := range doc.Checkpoints {
		opened, err := note.Open([]byte(checkpoint.Note), note.VerifierList(verifier))
		check(err, "checkpoint of %d", checkpoint.Size)
		again, err := note.Sign(&note.Note{Text: opened.Text}, signer)
		check(err, "signing %d", checkpoint.Size)
		lines := strings.Split(opened.Text, "\n")
		if string(again) != checkpoint.Note || lines[1] != fmt.Sprint(checkpoint.Size) || hash(lines[2]) != roots[checkpoint.Size] {
			log.Fatalf("checkpoint of %d differs:\n%s", checkpoint.Size, checkpoint.Note)
		}
	}
	for _, p := range doc.Inclusion {
		leaf := tlog.RecordHash([]byte(doc.Leaves[p.Inner]))
		check(tlog.CheckRecord(hashes(p.Path), p.Size, roots[p.Size], p.Inner, leaf), "inclusion of %d in %d", p.Inner, p.Size)
	}
	for _, p := range doc.Consistency {
		check(tlog.CheckTree(hashes(p.Path), p.Size, roots[p.Size], p.Inner, roots[p.Inner]), "consistency of %d and %d", p.Inner, p.Size)
	}

	// A client that has nothing but a checkpoint and the tiles.
	last := doc.Checkpoints[len(doc.Checkpoints)-1].Size
	client := tlog.TileHashReader(tlog.Tree{N: last, Hash: roots[last]}, served(doc.Tiles))
	for index := int64(0); index < last; index += 37 {
		path, err := tlog.ProveRecord(last, index, client)
		check(err, "tiles: proof of %d", index)
		leaf := tlog.RecordHash([]byte(doc.Leaves[index]))
		check(tlog.CheckRecord(path, last, roots[last], index, leaf), "tiles: inclusion of %d", index)
	}
	fmt.Printf("Go agrees: %d leaves, %d checkpoints, %d inclusion and %d consistency proofs, %d tiles\n",
		len(doc.Leaves), len(doc.Checkpoints), len(doc.Inclusion), len(doc.Consistency), len(doc.Tiles))
}
