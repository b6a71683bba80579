-- What people said came of a run is overwritten where it stands, before it is taken away.
UPDATE outcome SET because = CAST(zeroblob(length(CAST(because AS BLOB))) AS TEXT) WHERE run = :run;
