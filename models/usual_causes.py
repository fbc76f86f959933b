"""Why do customers of most shops leave? The causes of a config that does not say otherwise.

Of the causes that an answer speaks of the first counts: what is for good, then what can be put right.
"""

from collections.abc import Mapping

USUAL: Mapping[str, Mapping[str, object]] = {
    "deceased": {
        "manageable": False,
        "for_good": True,
        "reasons": ("deceased", "passed_away"),
        "keywords": {
            "en": ("passed away", "has died", "is deceased", "deceased"),
            "id": ("meninggal", "meninggal dunia", "telah wafat", "almarhum", "almarhumah"),
        },
    },
    "fraud": {
        "manageable": False,
        "for_good": True,
        # No keywords: an angry customer writes "this is fraud" too, and would be barred for good.
        "reasons": ("fraud", "chargeback", "stolen_card"),
    },
    "moved": {
        "manageable": False,
        "reasons": ("moved", "moved_away", "moved_abroad", "outside_delivery_area"),
        "keywords": {
            "en": ("moved away", "moved abroad", "moving away", "moving abroad", "moved to another country"),
            "id": ("pindah rumah", "pindah kota", "pindah ke luar negeri", "sudah pindah"),
        },
    },
    "service": {
        "reasons": (
            "service",
            "poor_service",
            "bad_service",
            "bad_experience",
            "rude_staff",
            "unresolved_complaint",
        ),
        "keywords": {
            "en": (
                "bad service",
                "poor service",
                "terrible service",
                "bad experience",
                "rude",
                "unfriendly",
                "nobody called back",
                "no one called back",
                "nobody answered",
                "no reply",
                "never got an answer",
            ),
            "id": (
                "pelayanan buruk",
                "pelayanan jelek",
                "pelayanan mengecewakan",
                "tidak ramah",
                "kasar",
                "tidak dibalas",
                "tidak ada balasan",
                "tidak direspon",
            ),
        },
        "groups": ("experience",),
    },
    "quality": {
        "reasons": ("quality", "poor_quality", "defective", "not_as_described"),
        "keywords": {
            "en": (
                "poor quality",
                "bad quality",
                "low quality",
                "defective",
                "stopped working",
                "fell apart",
                "tastes stale",
                "not as described",
            ),
            "id": (
                "kualitas buruk",
                "kualitas jelek",
                "kualitas menurun",
                "cacat",
                "rusak",
                "tidak sesuai deskripsi",
            ),
        },
    },
    "delivery": {
        "reasons": ("delivery", "late_delivery", "not_delivered", "damaged", "wrong_item", "missing_item"),
        "keywords": {
            "en": (
                "late delivery",
                "delivered late",
                "came late",
                "week late",
                "days late",
                "never arrived",
                "not delivered",
                "arrived broken",
                "wrong item",
                "slow delivery",
                "slow shipping",
            ),
            "id": (
                "terlambat",
                "pengiriman lama",
                "pengiriman lambat",
                "tidak sampai",
                "belum sampai",
                "salah kirim",
                "barang salah",
            ),
        },
    },
    "price": {
        "reasons": ("price", "too_expensive", "expensive", "shipping_costs"),
        "keywords": {
            "en": (
                "too expensive",
                "expensive",
                "too dear",
                "cannot afford",
                "can't afford",
                "prices went up",
                "price increase",
                "overpriced",
            ),
            "id": (
                "mahal",
                "kemahalan",
                "terlalu mahal",
                "harga naik",
                "tidak terjangkau",
                "di luar anggaran",
            ),
        },
        "groups": ("price",),
    },
    "competitor": {
        "reasons": ("competitor", "found_another_shop", "switched", "cheaper_elsewhere", "better_elsewhere"),
        "keywords": {
            "en": (
                "another shop",
                "another store",
                "competitor",
                "switched to",
                "cheaper elsewhere",
                "buy elsewhere",
                "shop elsewhere",
            ),
            "id": ("toko lain", "toko sebelah", "kompetitor", "pesaing", "pindah toko", "beralih ke"),
        },
    },
    "assortment": {
        "reasons": ("assortment", "out_of_stock", "not_in_range", "discontinued"),
        "keywords": {
            "en": ("out of stock", "sold out", "discontinued", "no longer sell", "not enough choice"),
            "id": ("stok habis", "stok kosong", "tidak dijual lagi", "kurang lengkap", "pilihan sedikit"),
        },
    },
    "no_need": {
        "reasons": ("no_need", "no_longer_needed", "outgrown", "have_enough"),
        "keywords": {
            "en": ("no longer need", "don't need", "do not need", "no need", "outgrown", "have enough"),
            "id": ("tidak butuh", "tidak perlu", "tidak membutuhkan", "sudah cukup", "belum butuh"),
        },
    },
    "never_settled": {
        "reasons": ("did_not_suit", "just_trying", "one_off", "gift_purchase"),
        "keywords": {
            "en": ("not for me", "did not suit", "just tried", "only a gift", "bought as a gift"),
            "id": ("tidak cocok", "kurang cocok", "hanya coba", "cuma coba", "untuk hadiah"),
        },
        "groups": ("settled",),
    },
}
