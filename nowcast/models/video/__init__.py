"""Networks of video prediction that are no stack of recurrent cells: what the papers compare with."""
