from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0001_initial'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='product',
            name='product_by_name',
        ),
        migrations.RemoveIndex(
            model_name='product',
            name='product_by_price',
        ),
        migrations.RemoveIndex(
            model_name='product',
            name='product_by_created',
        ),
        migrations.RemoveIndex(
            model_name='product',
            name='product_by_updated',
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['name', 'id', 'is_active', 'price', 'low_stock_threshold', 'deleted_at'], name='product_by_name'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['is_active', 'name', 'id', 'deleted_at'], name='product_by_active'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['price', 'id', 'is_active', 'deleted_at'], name='product_by_price'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['created_at', 'id', 'is_active', 'deleted_at'], name='product_by_created'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['updated_at', 'id', 'is_active', 'deleted_at'], name='product_by_updated'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['sku', 'id', 'is_active', 'deleted_at'], name='product_by_sku'),
        ),
        # First the new one: MySQL keeps a foreign key only with an index that begins with its column.
        migrations.AddIndex(
            model_name='stockmovement',
            index=models.Index(fields=['level', 'id', 'kind'], name='movement_of_level'),
        ),
        migrations.RemoveIndex(
            model_name='stockmovement',
            name='movement_by_level',
        ),
    ]
