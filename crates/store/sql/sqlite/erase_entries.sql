-- The entries of one append without their bodies and salts.
UPDATE journal SET entries = :entries WHERE no = :no;
