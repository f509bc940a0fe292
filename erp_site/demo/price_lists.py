"""What some customers of the demo's distributor pay in place of its ordinary prices."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class DemoPriceList:
    """`prices` are those of its own, by SKU; `customers` are the names of those who buy by it."""

    name: str
    discount: Decimal
    prices: Mapping[str, Decimal]
    customers: frozenset[str]


def _prices(text: str) -> Mapping[str, Decimal]:
    return {sku: Decimal(price) for sku, price in (row.split() for row in text.split(","))}


PRICE_LISTS: Final = (
    DemoPriceList(
        name="Atacado",
        discount=Decimal("5.00"),
        prices=_prices(
            "ALI-0101 22.90, ALI-0110 6.90, ALI-0120 17.90, ALI-0130 6.90, ALI-0142 19.90, ALI-0160 4.90,"
            "ALI-0170 19.90, BEB-0201 13.90, BEB-0210 37.90, LIM-0301 15.90, DES-0401 72.90, EMB-0501 42.90"
        ),
        customers=frozenset(
            {
                "Mercadinho Dois Irmãos Ltda",
                "Supermercado Boa Compra Ltda",
                "Cozinha Industrial Prato Feito S.A.",
                "Distribuidora Rota do Sol Ltda",
                "Mercado Orgânico Raiz Forte Ltda",
            }
        ),
    ),
    DemoPriceList(
        name="Padarias e confeitarias",
        discount=Decimal("0.00"),
        prices=_prices(
            "ALI-0121 4.59, ALI-0142 19.50, ALI-0145 20.90, ALI-0161 15.90, ALI-0162 18.50, ALI-0163 68.90,"
            "ALI-0164 199.00, EMB-0509 84.90"
        ),
        customers=frozenset(
            {
                "Padaria Estrela da Manhã Ltda",
                "Confeitaria Doce Encanto Ltda",
                "Pão de Queijo da Vó Ltda",
                "Sônia Regina Doces Artesanais",
            }
        ),
    ),
)
