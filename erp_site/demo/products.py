"""What the demo's distributor sells: food, drinks, cleaning, paper, packaging. Brands are invented."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from erp_site.core import gtin


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """`usual` is what a customer takes at once, in sales units; `popular` weighs how often it is bought."""

    sku: str
    name: str
    price: Decimal
    usual: int
    popular: int
    low_stock_threshold: int | None
    gtin: str
    description: str


#: SKU, name, price in reais, usual quantity, popularity, low stock threshold (0: none is watched).
_ROWS: Final = """
ALI-0101 | Arroz agulhinha tipo 1 Serra Clara 5 kg | 24.90 | 20 | 9 | 60
ALI-0102 | Arroz parboilizado Serra Clara 5 kg | 26.40 | 12 | 5 | 40
ALI-0103 | Arroz integral Serra Clara 1 kg | 8.75 | 12 | 3 | 30
ALI-0110 | Feijão carioca tipo 1 Bom Sítio 1 kg | 7.90 | 30 | 9 | 90
ALI-0111 | Feijão preto tipo 1 Bom Sítio 1 kg | 8.60 | 24 | 6 | 60
ALI-0115 | Lentilha Bom Sítio 500 g | 9.35 | 10 | 2 | 20
ALI-0120 | Açúcar cristal Canavial 5 kg | 19.80 | 15 | 7 | 45
ALI-0121 | Açúcar refinado Canavial 1 kg | 4.89 | 30 | 6 | 60
ALI-0125 | Sal refinado iodado Maré 1 kg | 2.49 | 30 | 4 | 60
ALI-0130 | Óleo de soja Dourado 900 ml | 7.29 | 40 | 9 | 120
ALI-0131 | Azeite de oliva extravirgem Oliveto 500 ml | 36.90 | 6 | 4 | 18
ALI-0132 | Vinagre de álcool Maré 750 ml | 3.15 | 24 | 3 | 36
ALI-0140 | Macarrão espaguete nº 8 Trigal 500 g | 4.35 | 40 | 7 | 80
ALI-0141 | Macarrão parafuso Trigal 500 g | 4.55 | 30 | 5 | 60
ALI-0142 | Farinha de trigo tipo 1 Trigal 5 kg | 21.70 | 16 | 7 | 40
ALI-0143 | Farinha de mandioca torrada Bom Sítio 1 kg | 8.20 | 12 | 3 | 24
ALI-0144 | Fubá mimoso Bom Sítio 1 kg | 4.10 | 20 | 3 | 30
ALI-0145 | Fermento biológico seco Trigal 500 g | 23.50 | 6 | 4 | 12
ALI-0150 | Molho de tomate tradicional Pomar Real 2 kg | 14.90 | 12 | 6 | 36
ALI-0151 | Extrato de tomate Pomar Real 340 g | 5.60 | 24 | 4 | 48
ALI-0152 | Milho verde em conserva Pomar Real 1,7 kg | 18.40 | 6 | 4 | 18
ALI-0153 | Ervilha em conserva Pomar Real 1,7 kg | 17.90 | 6 | 2 | 12
ALI-0154 | Maionese Pomar Real balde 3 kg | 32.90 | 4 | 5 | 12
ALI-0155 | Ketchup Pomar Real galão 3,4 kg | 29.80 | 4 | 4 | 12
ALI-0156 | Mostarda amarela Pomar Real galão 3,3 kg | 24.60 | 4 | 3 | 8
ALI-0160 | Leite UHT integral Vale do Leite 1 L | 5.19 | 48 | 8 | 144
ALI-0161 | Leite em pó integral Vale do Leite 400 g | 17.25 | 12 | 3 | 24
ALI-0162 | Creme de leite Vale do Leite 1,03 kg | 19.90 | 12 | 5 | 24
ALI-0163 | Leite condensado Vale do Leite 5 kg | 74.50 | 4 | 4 | 8
ALI-0164 | Manteiga com sal Vale do Leite 5 kg | 218.00 | 2 | 2 | 4
ALI-0170 | Café torrado e moído Alto da Mogiana 500 g | 21.90 | 20 | 9 | 60
ALI-0171 | Café em grãos espresso Alto da Mogiana 1 kg | 64.00 | 6 | 5 | 15
ALI-0172 | Achocolatado em pó Alto da Mogiana 1,01 kg | 22.30 | 8 | 3 | 16
ALI-0180 | Biscoito água e sal Trigal 400 g | 5.45 | 24 | 4 | 48
ALI-0181 | Biscoito de maisena Trigal 400 g | 5.65 | 24 | 3 | 48
ALI-0190 | Atum ralado em óleo Maré 1 kg | 58.90 | 4 | 2 | 8
BEB-0201 | Água mineral sem gás Fonte Azul 510 ml, pacote com 12 | 15.60 | 20 | 9 | 60
BEB-0202 | Água mineral com gás Fonte Azul 510 ml, pacote com 12 | 18.20 | 10 | 6 | 30
BEB-0203 | Água mineral Fonte Azul galão 20 L | 14.00 | 10 | 5 | 20
BEB-0210 | Refrigerante cola Tupi 2 L, fardo com 6 | 41.40 | 10 | 7 | 30
BEB-0211 | Refrigerante guaraná Tupi 2 L, fardo com 6 | 38.70 | 10 | 7 | 30
BEB-0212 | Refrigerante laranja Tupi lata 350 ml, fardo com 12 | 33.90 | 8 | 4 | 24
BEB-0220 | Suco de laranja integral Pomar Real 1,5 L | 16.80 | 12 | 5 | 24
BEB-0221 | Suco de uva integral Pomar Real 1,5 L | 19.50 | 8 | 4 | 16
BEB-0222 | Néctar de pêssego Pomar Real 1 L | 7.40 | 12 | 2 | 24
BEB-0230 | Chá-mate natural Tupi 1,5 L | 8.90 | 12 | 3 | 24
BEB-0231 | Água de coco Pomar Real 1 L | 11.70 | 12 | 4 | 24
LIM-0301 | Detergente neutro Brilhar 5 L | 17.90 | 6 | 8 | 24
LIM-0302 | Detergente neutro Brilhar 500 ml | 2.35 | 48 | 5 | 96
LIM-0303 | Água sanitária Brilhar 5 L | 13.40 | 8 | 7 | 24
LIM-0304 | Desinfetante lavanda Brilhar 5 L | 16.20 | 6 | 6 | 18
LIM-0305 | Multiuso Brilhar 500 ml | 5.10 | 24 | 4 | 36
LIM-0306 | Desengordurante concentrado Brilhar 5 L | 48.90 | 3 | 4 | 8
LIM-0307 | Álcool 70% líquido Brilhar 1 L | 9.80 | 24 | 6 | 48
LIM-0308 | Álcool em gel 70% Brilhar 5 L | 49.50 | 3 | 3 | 8
LIM-0309 | Limpa-vidros Brilhar 5 L | 27.60 | 3 | 2 | 6
LIM-0310 | Sabão em pó Brilhar 4 kg | 42.80 | 4 | 4 | 12
LIM-0311 | Amaciante concentrado Brilhar 5 L | 31.90 | 4 | 2 | 8
LIM-0320 | Esponja dupla face Brilhar, pacote com 10 | 12.90 | 10 | 6 | 30
LIM-0321 | Pano de chão alvejado 50 x 70 cm, pacote com 5 | 24.50 | 6 | 3 | 12
LIM-0322 | Luva de látex forrada tamanho M, par | 6.70 | 20 | 4 | 30
LIM-0323 | Rodo de alumínio 60 cm | 39.90 | 2 | 1 | 0
LIM-0330 | Saco para lixo preto 100 L, pacote com 100 | 58.70 | 4 | 7 | 16
LIM-0331 | Saco para lixo preto 50 L, pacote com 100 | 31.20 | 4 | 4 | 12
DES-0401 | Papel higiênico folha dupla Nuvem 30 m, fardo com 64 | 79.90 | 4 | 8 | 16
DES-0402 | Papel higiênico rolão Nuvem 300 m, fardo com 8 | 62.50 | 4 | 6 | 16
DES-0403 | Papel toalha interfolhado Nuvem, caixa com 2.000 | 38.40 | 6 | 7 | 24
DES-0404 | Guardanapo de papel Nuvem 20 x 23 cm, caixa com 3.000 | 44.60 | 4 | 6 | 12
DES-0405 | Sabonete líquido erva-doce Nuvem 5 L | 29.90 | 4 | 4 | 12
DES-0410 | Copo descartável 200 ml, caixa com 2.500 | 118.00 | 2 | 6 | 8
DES-0411 | Copo descartável 50 ml para café, caixa com 5.000 | 96.40 | 2 | 4 | 6
DES-0412 | Canudo de papel biodegradável, caixa com 1.000 | 52.30 | 2 | 2 | 0
EMB-0501 | Marmitex de alumínio nº 8, caixa com 100 | 46.90 | 5 | 7 | 20
EMB-0502 | Embalagem para hambúrguer em papel kraft, caixa com 200 | 64.80 | 3 | 4 | 10
EMB-0503 | Caixa de pizza 35 cm, fardo com 25 | 47.50 | 6 | 5 | 24
EMB-0504 | Sacola de papel kraft com alça média, fardo com 100 | 89.00 | 2 | 4 | 8
EMB-0505 | Sacola plástica reforçada 40 x 50 cm, milheiro | 72.40 | 3 | 5 | 10
EMB-0506 | Filme de PVC 28 cm x 300 m | 34.70 | 4 | 5 | 12
EMB-0507 | Papel-alumínio 45 cm x 65 m | 41.20 | 4 | 5 | 12
EMB-0508 | Pote com tampa 500 ml para delivery, caixa com 200 | 138.00 | 2 | 5 | 6
EMB-0509 | Saco kraft para pão 5 kg, fardo com 500 | 92.60 | 2 | 4 | 6
EMB-0510 | Fita adesiva transparente 45 mm x 100 m, pacote com 4 | 22.80 | 4 | 2 | 8
"""

_ABOUT: Final = {
    "ALI": "Alimento não perecível. Conservar em local seco e arejado.",
    "BEB": "Bebida. Manter ao abrigo do sol.",
    "LIM": "Limpeza profissional. Ficha de segurança sob consulta.",
    "DES": "Higiene e descartáveis para uso institucional.",
    "EMB": "Embalagem para alimentos, entregue em fardos ou caixas fechadas.",
}


def _product(number: int, row: str) -> DemoProduct:
    sku, name, price, usual, popular, threshold = (cell.strip() for cell in row.split("|"))
    body = f"2{number:011d}"  # GS1 keeps 200-299 for numbers of one's own: no other company's product has one
    return DemoProduct(
        sku=sku,
        name=name,
        price=Decimal(price),
        usual=int(usual),
        popular=int(popular),
        low_stock_threshold=int(threshold) or None,
        gtin=body + gtin.check_digit(body),
        description=_ABOUT[sku[:3]],
    )


PRODUCTS: Final = tuple(
    _product(number, row) for number, row in enumerate(_ROWS.strip().splitlines(), 1001)
)

#: No longer sold, for some weeks already.
DISCONTINUED: Final = frozenset({"ALI-0115", "BEB-0222", "DES-0412"})
#: Sold out, and the supplier is late.
SOLD_OUT: Final = frozenset({"ALI-0164", "LIM-0309", "EMB-0508"})
#: Nearly sold out.
RUNNING_LOW: Final = frozenset(
    {"ALI-0131", "ALI-0145", "ALI-0171", "BEB-0221", "LIM-0306", "LIM-0308", "DES-0411", "EMB-0504"}
)
