"""What a person looks at: maps, charts and one self-contained page. The only part that draws."""
