"""Seals or opens standard input with Google Tink's AES256_GCM_HKDF_1MB: stream.py seal|open KEY_HEX AD_HEX."""
import io
import sys

from tink import proto_keyset_format, secret_key_access, streaming_aead
from tink.proto import aes_gcm_hkdf_streaming_pb2 as streaming, common_pb2, tink_pb2

streaming_aead.register()
verb, key, ad = sys.argv[1], bytes.fromhex(sys.argv[2]), bytes.fromhex(sys.argv[3])
params = streaming.AesGcmHkdfStreamingParams(
    ciphertext_segment_size=1 << 20, derived_key_size=32, hkdf_hash_type=common_pb2.SHA256)
data = tink_pb2.KeyData(
    type_url="type.googleapis.com/google.crypto.tink.AesGcmHkdfStreamingKey",
    value=streaming.AesGcmHkdfStreamingKey(version=0, key_value=key, params=params).SerializeToString(),
    key_material_type=tink_pb2.KeyData.SYMMETRIC)
entry = tink_pb2.Keyset.Key(
    key_data=data, status=tink_pb2.ENABLED, key_id=1, output_prefix_type=tink_pb2.RAW)
keyset = tink_pb2.Keyset(primary_key_id=1, key=[entry]).SerializeToString()
primitive = proto_keyset_format.parse(keyset, secret_key_access.TOKEN).primitive(streaming_aead.StreamingAead)


class Kept(io.BytesIO):
    """Keeps its bytes when Tink closes it."""

    def close(self):
        self.bytes = self.getvalue()
        super().close()


if verb == "seal":
    out = Kept()
    with primitive.new_encrypting_stream(out, ad) as stream:
        stream.write(sys.stdin.buffer.read())
    sys.stdout.buffer.write(out.bytes)
else:
    with primitive.new_decrypting_stream(io.BytesIO(sys.stdin.buffer.read()), ad) as stream:
        sys.stdout.buffer.write(stream.read())
