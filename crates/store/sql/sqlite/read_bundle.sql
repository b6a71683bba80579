-- A bundle's bytes.
SELECT bytes FROM bundle WHERE digest = :digest;
