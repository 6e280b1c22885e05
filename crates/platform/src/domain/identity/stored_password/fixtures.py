# What other systems store of one password, for tests.rs. Made with
#   pip install Django==5.2.19 Werkzeug==3.1.9 passlib==1.7.4 argon2-cffi==25.1.0 bcrypt==4.0.1
#   python fixtures.py > fixtures.txt
import base64
import hashlib

from django.conf import settings
from django.contrib.auth.hashers import make_password
from passlib import hash as passlib
from werkzeug.security import generate_password_hash

PASSWORD = "ein grüner Garten"

hashers = ["PBKDF2", "PBKDF2SHA1", "Scrypt", "Argon2", "BCryptSHA256", "BCrypt"]
settings.configure(PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in hashers])

print(PASSWORD)
for name in ["pbkdf2_sha256", "pbkdf2_sha1", "scrypt", "argon2", "bcrypt_sha256", "bcrypt"]:
    print(f"Django {name}\t{make_password(PASSWORD, salt=None, hasher=name)}")
for method in ["pbkdf2:sha256", "pbkdf2:sha512:210000", "pbkdf2:sha1:600000", "scrypt"]:
    print(f"Werkzeug {method}\t{generate_password_hash(PASSWORD, method=method)}")
for name in ["pbkdf2_sha1", "pbkdf2_sha256", "pbkdf2_sha512", "scrypt", "argon2", "bcrypt"]:
    print(f"passlib {name}\t{getattr(passlib, name).hash(PASSWORD)}")


# Keycloak makes 64 bytes whatever the digest (Pbkdf2PasswordHashProvider), and exports value and salt in padded base64.
for digest, iterations in [("sha1", 20000), ("sha256", 27500), ("sha512", 210000)]:
    salt = hashlib.sha256(digest.encode()).digest()[:16]
    value = hashlib.pbkdf2_hmac(digest, PASSWORD.encode(), salt, iterations, 64)
    parts = [base64.b64encode(part).decode() for part in (salt, value)]
    print(f"Keycloak {digest}\t$pbkdf2-{digest}$i={iterations}${parts[0]}${parts[1]}")
